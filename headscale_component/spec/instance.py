"""One Headscale, as a person writes it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from headscale_component.spec.api_key import ApiKeySpec, ManagedApiKeySpec
from headscale_component.spec.config import HeadscaleConfig
from headscale_component.spec.config.rules import RETIRED
from headscale_component.spec.connection import ConnectionSpec
from headscale_component.spec.empty_sections import without_empty
from headscale_component.spec.errors import SpecError, problems_of
from headscale_component.spec.files import FilePathInPod, FileSpec
from headscale_component.spec.kubernetes_values import ImageRepository, Labels
from headscale_component.spec.model import OrOutput, SpecModel
from headscale_component.spec.note_names import NoteName
from headscale_component.spec.pod import PodSpec
from headscale_component.spec.policy import PolicySpec
from headscale_component.spec.pre_auth_key import PreAuthKeySpec
from headscale_component.spec.rules import broken_rules
from headscale_component.spec.type_errors import WHOLE, Mismatch, mismatch_text
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import valid_part, value_or_none
from headscale_component.spec.values import DnsLabel, DnsSubdomain, Duration, Quantity, Username, Version
from headscale_component.versions import NEWEST_HEADSCALE, minor_version

_OR_NOTHING = BeforeValidator(lambda value: {} if value is None else value)
"""A name with nothing behind it, as `alice:`, says all that there is to say."""


def _whole_number(value: object) -> object:
    """Take digits in quotes as a number, and no flag."""
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch("[0-9]{1,9}", value)):
        raise ValueError(mismatch_text([Mismatch(WHOLE, value)]))
    return value


def _above_zero(size: str) -> str:
    if size.strip("0.").rstrip("KMGTPEik"):
        return size
    raise ValueError(f"`{size}` is no room for a database; write for example `1Gi`")


def _recreate_for_remake(value: object) -> object:
    """Take the old spelling too: people have it in their stack files."""
    return "recreate" if value == "remake" else value


_RETIRED = {("config", *path): hint for path, hint in RETIRED.items()}


class PersistentVolumeClaimSpec(SpecModel):
    """The volume that holds the database and the noise key."""

    size: Annotated[Quantity, AfterValidator(_above_zero)] = "1Gi"
    """Its size. It can grow where the storage class can, and never shrink."""

    storage_class_name: DnsSubdomain | None = None
    """Its storage class; default: the cluster's. Fixed once the volume exists."""


class HeadscaleArgs(SpecModel):
    """A Headscale, its users and its keys.

    Raises:
        SpecError: With every problem at once, when something breaks a rule.
    """

    version: Version
    """Headscale's version, exact, for example `v0.28.0`. Upgrade one minor version at a time."""

    config: HeadscaleConfig
    """Headscale's own configuration, spelt as in its `config.yaml`."""

    namespace: OrOutput[DnsLabel] = "headscale"
    """The namespace of everything. In Python an Output too, such as the name of a Namespace that the program makes, but
    not with `createNamespace`."""

    create_namespace: StrictBool = False
    """Whether to make the namespace if it is not there. It is never deleted: it holds the data."""

    namespace_labels: Labels = Field(default_factory=dict)
    """Labels for the namespace, with `createNamespace`, for example a Pod Security Standard to enforce."""

    image: ImageRepository = "headscale/headscale"
    """Headscale's image: without tag, which is `version`, or pinned by a digest, `name@sha256:…`, of that version."""

    image_pull_secrets: tuple[DnsSubdomain, ...] = ()
    """Names of Secrets with which images are pulled."""

    replicas: Annotated[int, BeforeValidator(_whole_number)] = Field(default=1, ge=0)
    """1, or 0 to stop it. Headscale keeps its state in memory: two would each have half of the tailnet."""

    persistent_volume_claim: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    """The volume that holds the database and the noise key."""

    files: dict[FilePathInPod, FileSpec] = Field(default_factory=dict)
    """Files in Headscale's container, by path: certificates, relay maps, records, a policy, secrets. Each folder is
    mounted whole."""

    pod: PodSpec = PodSpec()
    """Additions to the pod: variables, volumes, containers, resources, where it may run."""

    ready_timeout: Duration = "2m"
    """How long a new pod may take to be ready before `pulumi up` reports what keeps it. Slow storage or a slow registry
    needs more."""

    retain: StrictBool = True
    """Whether the data outlives `pulumi destroy`. A later `pulumi up` then finds it again."""

    abandon_data: str | None = None
    """`namespace/instance` of a database that may be left behind, where `namespace`, the instance's name or the cluster
    changes: data does not move by itself, so such a change is refused without this."""

    api_key: ManagedApiKeySpec = ManagedApiKeySpec()
    """The instance's own API key, made and rotated by the sidecar."""

    connection: ConnectionSpec = ConnectionSpec()
    """How Pulumi reaches the instance to manage users and keys."""

    users: dict[Username, Annotated[UserSpec, _OR_NOTHING]] = Field(default_factory=dict)
    """The users, by name."""

    adopt_users: StrictBool = False
    """Whether users of the declared names that exist already are kept from now on; `users.<name>.adopt` for one."""

    keys_on_user_deletion: Annotated[
        Literal["refuse", "recreate"],
        BeforeValidator(_recreate_for_remake),
        WithJsonSchema({"anyOf": [{"enum": ["refuse", "recreate"]}, {"const": "remake", "deprecated": True}]}),
    ] = "refuse"
    """What happens where Headscale 0.28 deletes everybody's preauth keys with any user: `refuse` fails the deletion,
    `recreate` creates the keys of this stack again at once, in their Secrets. Other versions delete the user's own keys
    alone (https://github.com/juanfont/headscale/issues/3154)."""

    policy: PolicySpec | None = None
    """Who may reach whom. Without it every node reaches every other, unless a policy was stored by hand."""

    pre_auth_keys: dict[DnsSubdomain, PreAuthKeySpec] = Field(default_factory=dict)
    """The keys with which nodes join, by name."""

    api_keys: dict[DnsSubdomain, Annotated[ApiKeySpec, _OR_NOTHING]] = Field(default_factory=dict)
    """More API keys, for other programs, by name."""

    silence: tuple[NoteName, ...] = ()
    """Names of notes that are not shown for this instance. A note fails nothing; its name stands in brackets behind
    it."""

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, data: Any, check: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - raw input
        if isinstance(data, cls):
            return data
        data = without_empty(cls, data)
        try:
            checked = check(data)
        except ValidationError as error:
            problems = [*problems_of(error, cls, _RETIRED), *broken_rules(valid_part(cls, data))]
            raise SpecError(problems) from None
        problems = broken_rules(checked)
        if problems:
            raise SpecError(problems)
        return checked

    @property
    def minor_version(self) -> tuple[int, int] | None:
        """Headscale's minor version; None in the valid part of an instance whose `version` is invalid."""
        return minor_version(value_or_none(self, "version"))

    @property
    def stored_keys_on_user_deletion(self) -> str:
        """What the connection has in Pulumi's state for `keys_on_user_deletion`: `refuse` or `remake`, as ever."""
        return "remake" if self.keys_on_user_deletion == "recreate" else self.keys_on_user_deletion

    @property
    def transport(self) -> str:
        """How the `pod` channel speaks: `grpc` or `rest`."""
        newest = self.minor_version or NEWEST_HEADSCALE
        return self.connection.transport or ("grpc" if newest <= NEWEST_HEADSCALE else "rest")

    @property
    def channel(self) -> str:
        """The admin channel in use: `relay`, `direct` or `pod`."""
        return self.connection.channel or ("relay" if self.api_key.auto_manage else "pod")
