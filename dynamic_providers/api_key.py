"""An API key, with the Secret that holds it, as a Pulumi resource that rotates."""

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar, cast

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from dynamic_providers import key_secret
from dynamic_providers.admin.channel import InstanceNotFound, InstanceStopped, retry_idempotent, utc_now
from dynamic_providers.api_key_state import ApiKeyInputs, ApiKeyOutputs, present_state
from dynamic_providers.key_provider import KeyProvider
from dynamic_providers.key_secret import PLACE, SECRET_FIELDS, changed_key_fields, duration_of
from dynamic_providers.provider import Props, another_database, checked, keep_outputs
from dynamic_providers.renamed_outputs import state_if_same
from dynamic_providers.resource import HeadscaleResource
from headscale_core.defaults import API_KEY_DATA_KEY, API_KEY_EXPIRATION, API_KEY_OVERLAP, API_KEY_ROTATION_BUFFER
from headscale_core.keys import api_key as rules
from headscale_core.keys import revocation
from headscale_core.keys.annotations import FIRST_KEY
from headscale_core.keys.api_key_secret import DesiredApiKey, IssuedApiKey, belongs_to, is_due, known
from headscale_core.keys.secrets import read_if_owned
from headscale_core.values import validators
from headscale_core.values.durations import parse_duration

Given = TypeVar("Given")

_MUTABLE = ("expiration", "rotation_buffer", "overlap", *SECRET_FIELDS)
_INPUTS = ("owner", "database", *PLACE, *_MUTABLE)
_COMPUTED = ("prefix", "expires_at", "created_at", "revoke_at", "superseded")


class ApiKeyProvider(KeyProvider):
    """Adapter of the API key's rules. Its dotted path is in people's state: moving it needs an alias here."""

    kind = "api-key"
    title = "API key"

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        return checked(
            news,
            {
                **key_secret.RULES,
                "expiration": validators.positive_duration,
                "rotation_buffer": validators.positive_duration,
                "overlap": validators.duration,
            },
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Rotate in place when the time has come or the lifetime changed. Only the clock is asked."""
        olds = present_state(olds)
        replaces = [*changed_key_fields(PLACE, olds, news), *another_database(olds, news)]
        altered = changed_key_fields((*_MUTABLE, "database"), olds, news)
        is_changed = bool(replaces or altered or _is_due(olds, news) or _is_revocation_due(olds))
        return DiffResult(changes=is_changed, replaces=replaces)

    def create(self, props: Props) -> CreateResult:
        """Create key and Secret together, and clean up after an interrupted run."""

        def create() -> IssuedApiKey:
            with self.channel.change() as client:
                return rules.create(client, self.secrets, _desired(props), utc_now())

        issued = retry_idempotent(create)
        return CreateResult(_id_of(props, issued.prefix), _outputs(props, issued))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return whether the Secret holds a key that Headscale knows; where not, the next update rotates.

        It is never gone for Pulumi, so that the lost key is revoked.
        """
        inputs = {name: props.get(name) for name in _INPUTS}
        keys = self.list_if_reachable(id_, props, self.channel.lists.api_keys)
        if keys is None:
            return ReadResult(id_, props, inputs)
        desired, current = _desired(props), present_state(props)
        stored = self.channel.lists.stored(self.kind, desired.namespace, desired.secret_name)
        issued = known(keys, stored, desired.template.data_key) if stored else None
        if issued is None:
            lost = {**keep_outputs(inputs, current, _COMPUTED), "not_found": True}
            return ReadResult(id_, state_if_same(lost, props, current), inputs)
        outs = _outputs(inputs, issued)
        if stored is not None and not desired.template.matches(stored):
            outs["secret_drift"] = True
        first = stored.annotations.get(FIRST_KEY) if stored else None
        return ReadResult(_id_of(props, first) if first else id_, state_if_same(outs, props, current), inputs)

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Rotate, revoke what was replaced long enough ago, or write the Secret by its new template."""
        olds = present_state(olds)
        if not (_is_due(olds, news) or changed_key_fields(("expiration",), olds, news)):
            # What was edited since the last refresh cannot be kept.
            with contextlib.suppress(rules.SecretModified):
                return UpdateResult(self._kept(id_, olds, news))

        def rotate() -> IssuedApiKey:
            with self.channel.change() as client:
                return rules.rotate(client, self.secrets, _desired(news, id_), utc_now(), old=_prefixes(olds))

        return UpdateResult(_outputs(news, retry_idempotent(rotate)))

    def _kept(self, id_: str, olds: Props, news: Props) -> Props:
        """Keep the key, and return its outputs."""
        outs = keep_outputs(news, olds, _COMPUTED)
        if _is_revocation_due(olds):

            def finalize() -> IssuedApiKey:
                with self.channel.change() as client:
                    return rules.finalize(client, self.secrets, _desired(olds), utc_now())

            outs = _outputs(news, retry_idempotent(finalize))
        if changed_key_fields(SECRET_FIELDS, olds, news) or olds.get("secret_drift"):
            rules.update_secret(self.secrets, _desired(news, id_), _desired(olds).template.data_key)
            self.channel.lists.invalidate()
        return outs

    def delete(self, id_: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret; recorded where Headscale does not run."""
        desired, prefixes = _desired(props, id_), _prefixes(present_state(props))

        def delete() -> None:
            with self.channel.change(wait_for_pod=False) as client:
                rules.delete(client, self.secrets, desired, prefixes)

        try:
            retry_idempotent(delete)
        except (InstanceNotFound, InstanceStopped) as cause:
            stored = read_if_owned(self.secrets, desired.namespace, desired.secret_name)
            is_stored = stored is not None and belongs_to(stored, desired, prefixes)
            keys = revocation.of_api_key(stored, desired, prefixes, datetime.fromisoformat(props["expires_at"]))
            self.revoke_later(id_, keys, cause, is_stored=is_stored)
            rules.delete_secret(self.secrets, desired, prefixes)


class ApiKey(HeadscaleResource, module="headscale", name="ApiKey"):
    """A key for Headscale's API, in a Secret, with `expiration` and `created-at`.

    Attributes:
        owner: Its name in Pulumi, which is in the Secret too, as its owner.
        database: Identifies its database; in another one it is recreated; None for no such thing.
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        expiration: How long a key is valid.
        rotation_buffer: A key with less than this left is rotated by the next update.
        overlap: How long a replaced key stays valid; the next update after that revokes it.
        secret_key: The name of the key in the Secret's `data`; None for `api-key`.
        secret_labels: Labels of the Secret besides our own.
        secret_annotations: Annotations of the Secret besides our own.
        prefix: What names the key in Headscale's lists; no secret.
        expires_at: When the present key expires, RFC 3339.
        created_at: When it was created, RFC 3339.
        revoke_at: When the next of the superseded keys is to be revoked, RFC 3339; None where none waits.
        superseded: Prefixes of the keys that it replaced and that are not revoked yet; None for none.
        retire_at: The old name of `revoke_at`.
        replaced: The old name of `superseded`.
    """

    computed: ClassVar[tuple[str, ...]] = (*_COMPUTED, "retire_at", "replaced")
    owner: pulumi.Output[str | None]
    namespace: pulumi.Output[str]
    secret_name: pulumi.Output[str]
    expiration: pulumi.Output[str]
    rotation_buffer: pulumi.Output[str]
    overlap: pulumi.Output[str]
    secret_key: pulumi.Output[str | None]
    secret_labels: pulumi.Output[dict[str, str] | None]
    secret_annotations: pulumi.Output[dict[str, str] | None]
    prefix: pulumi.Output[str]
    expires_at: pulumi.Output[str]
    created_at: pulumi.Output[str]
    revoke_at: pulumi.Output[str | None]
    superseded: pulumi.Output[list[str] | None]
    retire_at: pulumi.Output[str | None]
    replaced: pulumi.Output[list[str] | None]

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        database: pulumi.Input[str] | None = None,
        secret_name: pulumi.Input[str],
        expiration: pulumi.Input[str] = API_KEY_EXPIRATION,
        rotation_buffer: pulumi.Input[str] = API_KEY_ROTATION_BUFFER,
        overlap: pulumi.Input[str] = API_KEY_OVERLAP,
        secret_key: str = API_KEY_DATA_KEY,
        secret_labels: Mapping[str, str] | None = None,
        secret_annotations: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a key; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "owner": resource_name,
            "database": database,
            "namespace": namespace,
            "secret_name": secret_name,
            "expiration": expiration,
            "rotation_buffer": rotation_buffer,
            "overlap": overlap,
            **key_secret.secret_inputs(secret_key, secret_labels, secret_annotations, default_key=API_KEY_DATA_KEY),
        }
        super().__init__(ApiKeyProvider(), resource_name, props, opts)
        # The state has either name, and programs use either.
        self.revoke_at = self.retire_at = _first_given(self.revoke_at, self.retire_at)
        self.superseded = self.replaced = _first_given(self.superseded, self.replaced)


def _first_given(new: pulumi.Output[Given | None], old: pulumi.Output[Given | None]) -> pulumi.Output[Given | None]:
    return pulumi.Output.all(new, old).apply(lambda values: values[1] if values[0] is None else values[0])


def _id_of(props: Props, first: str) -> str:
    """Return the id in the state, which has the first key: a replacement has another one in the same Secret."""
    return f"{props['namespace']}/{props['secret_name']}/{first}"


def _desired(props: Props, id_: str = "") -> DesiredApiKey:
    inputs = cast("ApiKeyInputs", props)
    return DesiredApiKey(
        namespace=inputs["namespace"],
        secret_name=inputs["secret_name"],
        expiration=parse_duration(inputs["expiration"]),
        rotation_buffer=parse_duration(inputs["rotation_buffer"]),
        overlap=duration_of(inputs.get("overlap")) or timedelta(0),
        template=key_secret.secret_template_of(inputs, default_key=API_KEY_DATA_KEY),
        owner=inputs.get("owner"),
        # Ids of earlier versions have no first key.
        first=next(iter(id_.split("/")[2:]), None),
    )


def _is_due(olds: Props, news: Props) -> bool:
    """Return whether the key is to be rotated: its time has come, or a refresh found that it does not work."""
    buffer = duration_of(news["rotation_buffer"])
    expires_at = datetime.fromisoformat(olds["expires_at"])
    return bool(olds.get("not_found")) or (buffer is not None and is_due(expires_at, buffer, utc_now()))


def _prefixes(props: Props) -> list[str]:
    return [props["prefix"], *(props.get("superseded") or ())]


def _is_revocation_due(olds: Props) -> bool:
    """Return whether a key that was replaced is to be revoked now."""
    revoke_at = olds.get("revoke_at")
    return bool(revoke_at) and datetime.fromisoformat(str(revoke_at)) <= utc_now()


def _computed(issued: IssuedApiKey) -> ApiKeyOutputs:
    outs = ApiKeyOutputs(
        prefix=issued.prefix, expires_at=issued.expires_at.isoformat(), created_at=issued.created_at.isoformat()
    )
    if issued.revoke_at:
        outs["revoke_at"], outs["superseded"] = issued.revoke_at.isoformat(), sorted(issued.superseded)
    return outs


def _outputs(props: Props, issued: IssuedApiKey) -> Props:
    return {**props, **_computed(issued)}
