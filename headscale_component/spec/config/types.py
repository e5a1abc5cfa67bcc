"""What sections of Headscale's configuration are made of: base, types of values, and markers of versions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, StrictBool, StrictInt, StrictStr, WithJsonSchema

from headscale_component.spec.kubernetes_values import DataKey
from headscale_component.spec.model import OrOutput, SpecModel
from headscale_component.spec.values import DnsSubdomain
from headscale_core.defaults import GRPC_PORT
from headscale_core.values.durations import duration_seconds

DATA_DIRECTORY = "/var/lib/headscale"
"""Where the volume is mounted: database, noise key, ACME cache."""

SOCKET_DIRECTORY = "/var/run/headscale"
"""The directory that headscale and the sidecar share."""

GRPC_LISTEN_ADDRESS = f"0.0.0.0:{GRPC_PORT}"
"""Where Headscale serves gRPC when `grpc_listen_addr` is not written."""


class ConfigSection(SpecModel):
    """A section of `config.yaml`: keys are Headscale's own, in snake_case; None is not written at all."""

    model_config = ConfigDict(alias_generator=None)


Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Since:
    """The first minor version that reads a key; older ones ignore it silently."""

    minor: Minor


@dataclass(frozen=True, slots=True)
class Until:
    """The last minor version that reads a key.

    Attributes:
        minor: That version.
        after: What newer ones do with it.
        instead: What to write for them.
    """

    minor: Minor
    after: str
    instead: str


@dataclass(frozen=True, slots=True)
class UpstreamDefault:
    """What Headscale itself does where the key is absent, when that is not our default."""

    default: str


_PROMETHEUS = re.compile(r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?", re.ASCII)
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]*\]|[^:\[\]\s]*):(?P<port>[a-z]+|\d+)", re.ASCII)
_NAMED_PORTS = {"http": 80, "https": 443}
_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?")
_SHORTEST_ABSENCE_SECONDS = 65
"""https://github.com/juanfont/headscale/blob/main/hscontrol/types/config.go."""
_EVERYBODY = ("0.0.0.0/0", "::/0")
_UNQUOTED = re.compile(r"[^\s'\"\\]+")


def go_seconds(text: str) -> float:
    """Return the seconds of a duration in Go's notation.

    Raises:
        ValueError: When it is none; Headscale would read it as nearly zero.
    """
    return duration_seconds(text, allow_days=False)


def port_of(endpoint: str) -> int:
    """Return the port of an endpoint that was checked."""
    port = endpoint.rpartition(":")[2]
    return _NAMED_PORTS.get(port) or int(port)


def _go_duration(text: str) -> str:
    go_seconds(text)
    return text


def _above_zero(text: str) -> str:
    if go_seconds(text) > 0:
        return text
    raise ValueError("must be above 0; Headscale does not start with it")


def _absence(text: str) -> str:
    if go_seconds(text) > _SHORTEST_ABSENCE_SECONDS:
        return text
    raise ValueError(f"`{text}` is too short: Headscale wants more than {_SHORTEST_ABSENCE_SECONDS}s")


def _prometheus_duration(text: str) -> str:
    if text == "0" or (text and _PROMETHEUS.fullmatch(text)):
        return text
    raise ValueError(
        f'`{text}` is no duration; write whole numbers with y, w, d, h, m or s, as `180d`, or "0" for never'
    )


def _endpoint(text: str) -> str:
    match = _HOST_PORT.fullmatch(text)
    port = match["port"] if match else ""
    if not match or not (port in _NAMED_PORTS or (port.isdigit() and 1 <= int(port) <= 65535)):  # noqa: PLR2004 - ports
        raise ValueError(f"`{text}` is no address to listen on; write host and port, as `0.0.0.0:8080` or `[::]:8080`")
    return text


def _absolute_path(text: str) -> str:
    if text.startswith("/"):
        return text
    raise ValueError(f"`{text}` is no absolute path; Headscale would look for it beside its configuration")


def _or_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check that takes the empty text too: Headscale reads it as the key's absence."""
    return lambda text: text and check(text)


def _zero_as_text(value: object) -> object:
    """Take the bare 0 of Headscale's own example as the text that it means."""
    return "0" if value == 0 and not isinstance(value, bool) else value


def _network(version: int) -> Any:  # noqa: ANN401 - a validator
    def check(text: str) -> str:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            network = None
        if network is None or network.version != version or "/" not in text:
            example = "100.64.0.0/10" if version == 4 else "fd7a:115c:a1e0::/48"  # noqa: PLR2004 - IP versions
            raise ValueError(f"`{text}` is no range of IPv{version} addresses; write for example `{example}`")
        return text

    return check


def _proxies(text: str) -> str:
    try:
        is_range = "/" in text and bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        is_range = False
    if not is_range:
        raise ValueError(f"`{text}` is no range of addresses; write for example `10.0.0.0/8`")
    if text in _EVERYBODY:
        raise ValueError("would believe everybody, and Headscale does not start with it; name your proxies")
    return text


def _lower_case(text: str) -> str:
    if text == text.lower():
        return text
    raise ValueError(f"Headscale reads the name in lower case; write `{text.lower()}`")


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"`{text}` is no IP address") from None
    return text


def _nameserver(text: str) -> str:
    if text.startswith("https://") and urlsplit(text).hostname:
        return text
    try:
        return _address(text)
    except ValueError:
        raise ValueError(
            f"`{text}` is no nameserver; write an IP address, or the https:// address of DNS over HTTPS"
        ) from None


def _domain(text: str) -> str:
    if _DOMAIN.fullmatch(text):
        return text
    raise ValueError(f"`{text}` is no domain name; write for example `tailnet.example.com`, without a dot at the end")


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"} and parts.hostname and not re.search(r"\s", text):
        return text
    raise ValueError(f"`{text}` must begin with http:// or https:// and name a host, as `https://vpn.example.com`")


def _dsn_word(text: str) -> str:
    if _UNQUOTED.fullmatch(text):
        return text
    raise ValueError("must not be empty nor hold spaces, quotes or backslashes: Headscale does not quote it")


def _non_negative(number: int) -> int:
    if number >= 0:
        return number
    raise ValueError(f"{number} is below 0")


def _positive(number: int) -> int:
    if number > 0:
        return number
    raise ValueError(f"{number} is not above 0")


def _text_schema(**schema: Any) -> WithJsonSchema:  # noqa: ANN401 - a JSON schema
    return WithJsonSchema({"type": "string", **schema})


Text = OrOutput[StrictStr]
Flag = OrOutput[StrictBool]
Number = OrOutput[Annotated[StrictInt, AfterValidator(_non_negative)]]
Positive = OrOutput[Annotated[StrictInt, AfterValidator(_positive)]]
_Duration = Annotated[StrictStr, AfterValidator(_go_duration), _text_schema(examples=["30m"])]
GoDuration = OrOutput[_Duration]
PositiveGoDuration = OrOutput[Annotated[_Duration, AfterValidator(_above_zero)]]
Absence = OrOutput[Annotated[_Duration, AfterValidator(_absence)]]
"""How long a node may be away."""
Expiry = OrOutput[
    Annotated[
        StrictStr,
        BeforeValidator(_zero_as_text),
        AfterValidator(_prometheus_duration),
        _text_schema(examples=["180d", "0"]),
    ]
]
Endpoint = Annotated[StrictStr, AfterValidator(_endpoint), _text_schema(examples=["0.0.0.0:8080"])]
EndpointOrOff = Annotated[StrictStr, AfterValidator(_or_empty(_endpoint)), _text_schema(examples=["0.0.0.0:9090", ""])]
FilePath = OrOutput[Annotated[StrictStr, AfterValidator(_absolute_path)]]
FilePathOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(_absolute_path))]]
NetworkV4 = OrOutput[
    Annotated[StrictStr, AfterValidator(_or_empty(_network(4))), _text_schema(examples=["100.64.0.0/10"])]
]
NetworkV6 = OrOutput[
    Annotated[StrictStr, AfterValidator(_or_empty(_network(6))), _text_schema(examples=["fd7a:115c:a1e0::/48"])]
]
IpAddress = OrOutput[Annotated[StrictStr, AfterValidator(_address)]]
Nameserver = OrOutput[Annotated[StrictStr, AfterValidator(_nameserver)]]
ProxyRange = OrOutput[Annotated[StrictStr, AfterValidator(_proxies)]]
LowerCaseText = Annotated[StrictStr, AfterValidator(_lower_case)]
Domain = OrOutput[Annotated[StrictStr, AfterValidator(_domain)]]
LowerCaseDomain = Annotated[StrictStr, AfterValidator(_domain), AfterValidator(_lower_case)]
DomainOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(_domain))]]
HttpUrl = OrOutput[Annotated[StrictStr, AfterValidator(_http_url)]]
HttpUrlOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(_http_url))]]
DsnWord = OrOutput[Annotated[StrictStr, AfterValidator(_dsn_word)]]


class KeyReference(SpecModel):
    """A key of a Secret or ConfigMap in the instance's namespace."""

    name: DnsSubdomain
    """Name of the Secret or ConfigMap."""

    key: DataKey
    """Name of the value in it, for example `client-secret`."""


class SecretReference(SpecModel):
    """A secret that is somewhere else: `{secretKeyRef: {name: …, key: …}}`."""

    secret_key_ref: KeyReference
    """The Secret and the key in it."""


def _never_in_clear(value: object) -> object:
    if isinstance(value, Mapping | SecretReference):
        return value
    raise ValueError(
        "is a secret and would stand in clear; write `{secretKeyRef: {name: SECRET, key: KEY}}`, "
        "or give a Pulumi secret in Python"
    )


SecretValue = OrOutput[Annotated[SecretReference, BeforeValidator(_never_in_clear)]]
"""A secret by reference, or in Python a Pulumi secret; it reaches Headscale by its environment."""
