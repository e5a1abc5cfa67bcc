"""What the JSON Schema says of the constrained values of the models.

A pattern is in the common part of Python's and JavaScript's regular expressions, which editors use
(https://json-schema.org/understanding-json-schema/reference/regular_expressions). It never refuses what the models
take; what the models refuse beside it is in the list of `tests/unit/spec/test_schema.py`, with the reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from pydantic import AfterValidator, BeforeValidator

from headscale_component.spec import kubernetes_values, values
from headscale_component.spec.config import references, types
from headscale_component.spec.config.types import SOCKET_DIRECTORY
from headscale_component.spec.files import FILE_PATH, FilePathInPod
from headscale_component.spec.model import ENCRYPTED_SCHEMA
from headscale_component.spec.pod import COMPONENT_LABELS
from headscale_component.spec.policy import sections
from headscale_core.defaults import INSTANCE_LABEL, MANAGED_BY_LABEL, NAME_LABEL, PREFIX
from headscale_core.values import validators
from headscale_core.values.metadata import LABEL_VALUE, QUALIFIED_NAME

Schema = dict[str, Any]

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LARGEST_ID = 2**63 - 1


def pattern(expression: str, **more: Any) -> Schema:  # noqa: ANN401 - any keyword of JSON Schema
    """Return the schema of a text that a regular expression matches as a whole."""
    return {"type": "string", "pattern": f"^({expression})$", **more}


_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_GO_DURATION = rf"0|({_NUMBER}(ns|us|µs|ms|s|m|h))+"
_DURATION = pattern(rf"0|({_NUMBER}(ns|us|µs|ms|s|m|h|d))+", examples=["90d", "1h30m"])
_PORT = r"0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_ENDPOINT = rf"(\[[0-9A-Fa-f:.%]*\]|[^:\[\]\s]*):(https?|{_PORT})"
_EXPIRY = r"0|(?=[0-9])([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?"
_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"(?=.{{1,253}}$)({_LABEL}\.)*[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?"
_ADDRESS = r"[0-9A-Fa-f:.]+(%[^/]+)?"
_URL = r"[hH][tT][tT][pP][sS]?://\S+"
_ESCAPE = r"%[0-9A-Fa-f]{2}"
_SERVER_URL = rf"https?://([^\s?#%@/]|{_ESCAPE})+(/([^\s?#%]|{_ESCAPE})*)?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_ID = r"[1-9][0-9]{0,18}"
_SIZE = r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?"
_USERNAME = (
    r"[A-Za-z0-9\u0080-\uffff][-A-Za-z0-9._\u0080-\uffff]*"
    r"(@(?=[^@]+$)[-A-Za-z0-9._\u0080-\uffff]+)?"
    r"|[a-z0-9][a-z0-9._+-]*@[a-z0-9][a-z0-9.-]*\.[a-z]{2,}"
)
_OURS = "|".join(name.replace(".", r"\.") for name in (NAME_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL))
_FIXED = "|".join(name.replace(".", r"\.") for name in COMPONENT_LABELS)
_NOT_OURS = rf"(?!{PREFIX})(?!({_OURS})$)"
_ANNOTATION_NAME = QUALIFIED_NAME.replace("[a-z0-9]", "[a-zA-Z0-9]").replace("[-a-z0-9]", "[-a-zA-Z0-9]")


def _id(**more: Any) -> Schema:  # noqa: ANN401 - any keyword of JSON Schema
    number = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
    return {"anyOf": [{**pattern(_ID), **more}, number]}


def _map(names: str, inner: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": f"^({names})$"}, "additionalProperties": inner}


_TEXT = {"type": "string"}

_OF_TYPES: tuple[tuple[Any, Schema], ...] = (
    (values.DnsLabel, pattern(DNS_LABEL)),
    (values.DnsSubdomain, pattern(_SUBDOMAIN, maxLength=253)),
    (values.ReferencedName, pattern(_SUBDOMAIN, maxLength=253)),
    (values.Tag, pattern(r"tag:[a-z][a-z0-9-]*")),
    (values.Email, pattern(r"[^@\s]+@[^@\s]+\.[^@\s]+", maxLength=320)),
    (values.PictureUrl, pattern(r"https?://\S+", maxLength=2048)),
    (values.DisplayName, {"type": "string", "maxLength": 255}),
    (values.Quantity, pattern(_SIZE, examples=["10Gi"])),
    (values.Version, pattern(validators.VERSION, maxLength=validators.LONGEST_TAG, examples=["v0.28.0"])),
    (values.Duration, _DURATION),
    (values.SpareDuration, _DURATION),
    (values.Username, pattern(_USERNAME, maxLength=253)),
    (values.SecretKey, pattern(r"(?!\.\.)(?!(\.|expiration|created-at)$)[-._a-zA-Z0-9]{1,253}")),
    (values.SecretLabels, _map(_NOT_OURS + QUALIFIED_NAME, pattern(LABEL_VALUE))),
    (values.SecretAnnotations, _map(rf"(?!{PREFIX}){_ANNOTATION_NAME}", _TEXT)),
    (values.UserId, _id()),
    (values.Adoption, {"anyOf": [{"type": "boolean"}, *_id()["anyOf"], {"type": "null"}]}),
    (kubernetes_values.ReadableText, pattern(kubernetes_values.TEXT)),
    (kubernetes_values.Labels, _map(QUALIFIED_NAME, pattern(LABEL_VALUE))),
    (kubernetes_values.VariableName, pattern(kubernetes_values.VARIABLE_NAME)),
    (kubernetes_values.DataKey, pattern(kubernetes_values.DATA_KEY)),
    (kubernetes_values.ImageRepository, pattern(kubernetes_values.REPOSITORY)),
    (kubernetes_values.Image, pattern(kubernetes_values.IMAGE)),
    (FilePathInPod, pattern(FILE_PATH)),
    (types.Number, {"type": "integer", "minimum": 0}),
    (types.Positive, {"type": "integer", "minimum": 1}),
    (types.GoDuration, pattern(_GO_DURATION, examples=["30m"])),
    (types.PositiveGoDuration, pattern(_GO_DURATION, examples=["30m"])),
    (types.Absence, pattern(_GO_DURATION, examples=["30m"])),
    (types.Expiry, {"anyOf": [pattern(_EXPIRY, examples=["180d", "0"]), {"const": 0}]}),
    (types.Endpoint, pattern(_ENDPOINT, examples=["0.0.0.0:8080"])),
    (types.EndpointOrOff, pattern(f"({_ENDPOINT})?", examples=["0.0.0.0:9090", ""])),
    (types.FilePath, {"type": "string", "pattern": "^/"}),
    (types.FilePathOrEmpty, {"type": "string", "pattern": "^(/|$)"}),
    (types.NetworkV4, pattern(r"([0-9.]+/[0-9.]+)?", examples=["100.64.0.0/10"])),
    (types.NetworkV6, pattern(rf"({_ADDRESS}/[0-9A-Fa-f:.]+)?", examples=["fd7a:115c:a1e0::/48"])),
    (types.IpAddress, pattern(_ADDRESS)),
    (types.Nameserver, pattern(rf"{_ADDRESS}|https://[\s\S]+")),
    (types.ProxyRange, pattern(rf"(?!(0\.0\.0\.0/0|::/0)$){_ADDRESS}/[0-9A-Fa-f:.]+")),
    (types.LowerCaseText, pattern(r"[^A-Z]*")),
    (types.Domain, pattern(_DOMAIN)),
    (types.LowerCaseDomain, pattern(rf"(?=[^A-Z]*$){_DOMAIN}")),
    (types.DomainOrEmpty, pattern(f"({_DOMAIN})?")),
    (types.ServerUrl, pattern(_SERVER_URL)),
    (types.HttpUrl, pattern(_URL)),
    (types.HttpUrlOrEmpty, pattern(f"({_URL})?")),
    (types.DsnWord, pattern(r"[^\s'\"\\]+")),
    (sections.Names, {"type": ["array", "null"], "items": _TEXT}),
    (references.SecretValue, {"anyOf": [ENCRYPTED_SCHEMA]}),
)

OF_FIELDS: dict[tuple[str, str], Schema] = {
    ("HeadscaleArgs", "replicas"): {"anyOf": [{"enum": [0, 1]}, {**pattern("0{0,8}[01]"), "deprecated": True}]},
    ("PersistentVolumeClaimSpec", "size"): pattern(rf"(?=[0.]*[1-9]){_SIZE}", examples=["10Gi"]),
    ("PodSpec", "labels"): _map(rf"(?!({_FIXED})$){QUALIFIED_NAME}", pattern(LABEL_VALUE)),
    ("PodSpec", "annotations"): _map(_ANNOTATION_NAME, pattern(kubernetes_values.TEXT)),
    ("PodSpec", "env"): {
        "propertyNames": {"pattern": f"^(?!HEADSCALE_(?!DEBUG_))({kubernetes_values.VARIABLE_NAME})$"}
    },
    ("HeadscaleConfig", "unix_socket"): pattern(rf"{SOCKET_DIRECTORY}/(?!\.{{1,2}}$)[^/]+", maxLength=107),
    ("HeadscaleConfig", "unix_socket_permission"): pattern("0?[0-7]{3}"),
    ("OidcConfig", "scope"): {"type": "array", "items": _TEXT, "contains": {"const": "openid"}},
    ("SshSpec", "action"): {
        "anyOf": [{"enum": ["accept", "check"]}, {**pattern(r"\s*(accept|check)\s*"), "deprecated": True}]
    },
    ("SshSpec", "check_period"): {"type": ["string", "number"]},
    ("SqliteConfig", "wal_autocheckpoint"): {"type": "integer", "minimum": -1},
}
"""What the JSON Schema says of single fields whose rule is in no type of its own, by model and field; one without a
type is added to what the type says."""


def by_validators() -> dict[tuple[int, ...], Schema]:
    """Return the schemas by the functions that check a value, by their identity and from the outermost in."""
    return {tuple(map(id, _validators_of(kind))): schema for kind, schema in _OF_TYPES}


def _validators_of(kind: Any) -> list[Callable[..., Any]]:  # noqa: ANN401 - an annotated type
    """Return the functions that check a value; where there are none, those that read it."""
    markers = get_args(kind)[:0:-1]
    checks = [marker.func for marker in markers if isinstance(marker, AfterValidator)]
    return checks or [marker.func for marker in markers if isinstance(marker, BeforeValidator)]
