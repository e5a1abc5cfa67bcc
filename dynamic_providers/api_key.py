"""An API key, with the Secret that holds it, as a Pulumi resource that rotates."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from dynamic_providers import key_secret
from dynamic_providers.admin.channel import InstanceNotFound, InstanceStopped, retry_idempotent, utc_now
from dynamic_providers.key_secret import PLACE, SECRET_FIELDS, changed_key_fields, secret_template_of
from dynamic_providers.provider import HeadscaleProvider, Props, another_database, checked, keep_outputs
from dynamic_providers.resource import HeadscaleResource
from headscale_core.keys import api_key as rules
from headscale_core.keys import revocation
from headscale_core.keys.annotations import FIRST_KEY
from headscale_core.keys.secrets import SecretStore, read_if_owned
from headscale_core.values import validators

_ALTERED = ("expiration", "rotation_buffer", "overlap", *SECRET_FIELDS)
_INPUTS = ("owner", "database", *PLACE, *_ALTERED)
_COMPUTED = ("prefix", "expires_at", "created_at", "retire_at", "replaced")
_KIND = "api-key"


class ApiKeyProvider(HeadscaleProvider):
    """Adapter of the API key's rules. Its dotted path is in people's state: moving it needs an alias here."""

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
        moved = [*changed_key_fields(PLACE, olds, news), *another_database(olds, news)]
        altered = changed_key_fields((*_ALTERED, "database"), olds, news)
        return DiffResult(changes=bool(moved or altered or _is_due(olds, news) or _waits(olds)), replaces=moved)

    def create(self, props: Props) -> CreateResult:
        """Make key and Secret together, and clean up after an interrupted run."""

        def create() -> rules.IssuedApiKey:
            with self.channel.change() as client:
                return rules.create(client, self._secrets, _desired(props), utc_now())

        issued = retry_idempotent(create)
        return CreateResult(_id_of(props, issued.prefix), _outputs(props, issued))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return whether the Secret holds a key that Headscale knows; where not, the next update makes a new one.

        It is never gone for Pulumi, so that the key that nobody holds any more is revoked.
        """
        inputs = {name: props.get(name) for name in _INPUTS}
        try:
            keys = self.channel.api_keys()
        except InstanceNotFound:
            if self.channel.stored(_KIND, props["namespace"], props["secret_name"]) is None:
                self.channel.require_proof_of_deletion(f"API key {id_}")
            return ReadResult(id_, props, inputs)
        except InstanceStopped as error:
            self.channel.running.report_unseen(error)
            return ReadResult(id_, props, inputs)
        desired = _desired(props)
        stored = self.channel.stored(_KIND, desired.namespace, desired.secret_name)
        issued = rules.known(keys, stored, desired.template.data_key) if stored else None
        if issued is None:
            return ReadResult(id_, {**keep_outputs(inputs, props, _COMPUTED), "is_lost": True}, inputs)
        outs = _outputs(inputs, issued)
        if stored is not None and not desired.template.matches(stored):
            outs["secret_is_wrong"] = True
        first = stored.annotations.get(FIRST_KEY) if stored else None
        return ReadResult(_id_of(props, first) if first else id_, outs, inputs)

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Rotate, revoke what was replaced long enough ago, or write the Secret as it is to look."""
        if not (_is_due(olds, news) or changed_key_fields(("expiration",), olds, news)):
            # What was edited since the last refresh cannot be kept.
            with contextlib.suppress(rules.SecretModified):
                return UpdateResult(self._kept(id_, olds, news))

        def rotate() -> rules.IssuedApiKey:
            with self.channel.change() as client:
                return rules.rotate(client, self._secrets, _desired(news, id_), utc_now(), old=_prefixes(olds))

        return UpdateResult(_outputs(news, retry_idempotent(rotate)))

    def _kept(self, id_: str, olds: Props, news: Props) -> Props:
        """Keep the key, and return what is to be known of it."""
        outs = keep_outputs(news, olds, _COMPUTED)
        if _waits(olds):

            def finalize() -> rules.IssuedApiKey:
                with self.channel.change() as client:
                    return rules.finalize(client, self._secrets, _desired(olds), utc_now())

            outs = _outputs(news, retry_idempotent(finalize))
        if changed_key_fields(SECRET_FIELDS, olds, news) or olds.get("secret_is_wrong"):
            rules.update_secret(self._secrets, _desired(news, id_), _desired(olds).template.data_key)
            self.channel.list_cache.forget()
        return outs

    def delete(self, id_: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret; noted first where Headscale is away."""
        desired, prefixes = _desired(props, id_), _prefixes(props)

        def delete() -> None:
            with self.channel.change(patient=False) as client:
                rules.delete(client, self._secrets, desired, prefixes)

        try:
            retry_idempotent(delete)
        except (InstanceNotFound, InstanceStopped) as error:
            what, stored = f"API key {id_}", read_if_owned(self._secrets, desired.namespace, desired.secret_name)
            value = stored is not None and rules.belongs_to(stored, desired, prefixes)
            if isinstance(error, InstanceNotFound) and not value:
                self.channel.require_proof_of_deletion(what)
            keys = revocation.of_api_key(stored, desired, prefixes, datetime.fromisoformat(props["expires_at"]))
            self.channel.revocations.note(what, keys, error)
            rules.delete_secret(self._secrets, desired, prefixes)

    @property
    def _secrets(self) -> SecretStore:
        return self.channel.secrets(_KIND)


class ApiKey(HeadscaleResource, module="headscale", name="ApiKey"):
    """A key for Headscale's API, in a Secret, with `expiration` and `created-at`.

    Attributes:
        owner: Its name in Pulumi, by which a Secret is known to be its own.
        database: What tells the database that it is in from another, in which it is recreated; None for no such thing.
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        expiration: How long a key is valid.
        rotation_buffer: A key with less than this left is replaced by the next update.
        overlap: How long a replaced key stays valid; the next update after that revokes it.
        secret_key: Under which name the key stands in the Secret; None for `api-key`.
        secret_labels: More labels of the Secret.
        secret_annotations: More annotations of the Secret.
        prefix: What names the key in Headscale's lists; no secret.
        expires_at: When the present key ends, RFC 3339.
        created_at: When it was made, RFC 3339.
        retire_at: When the key that it replaced may be revoked, RFC 3339; None where none waits.
        replaced: Prefixes of the keys that wait for that.
    """

    computed: ClassVar[tuple[str, ...]] = _COMPUTED
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
    replaced: pulumi.Output[list[str] | None]

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        database: pulumi.Input[str] | None = None,
        secret_name: pulumi.Input[str],
        expiration: pulumi.Input[str] = "2160h",
        rotation_buffer: pulumi.Input[str] = "240h",
        overlap: pulumi.Input[str] = "10m",
        secret_key: str = rules.DATA_KEY,
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
            **key_secret.looks(secret_key, secret_labels, secret_annotations, usual_key=rules.DATA_KEY),
        }
        super().__init__(ApiKeyProvider(), resource_name, props, opts)


def _id_of(props: Props, first: str) -> str:
    """Return the id in the state, which notes the first key: a replacement has another one in the same Secret."""
    return f"{props['namespace']}/{props['secret_name']}/{first}"


def _desired(props: Props, id_: str = "") -> rules.DesiredApiKey:
    return rules.DesiredApiKey(
        props["namespace"],
        props["secret_name"],
        props["expiration"],
        props["rotation_buffer"],
        props.get("overlap") or "0s",
        secret_template_of(props, usual_key=rules.DATA_KEY),
        props.get("owner"),
        # Ids of earlier versions note none.
        next(iter(id_.split("/")[2:]), None),
    )


def _is_due(olds: Props, news: Props) -> bool:
    """Return whether another key is to be made: its time has come, or a refresh found that it does not work."""
    return bool(olds.get("is_lost")) or rules.is_due(
        datetime.fromisoformat(olds["expires_at"]), news["rotation_buffer"], utc_now()
    )


def _prefixes(props: Props) -> list[str]:
    return [props["prefix"], *(props.get("replaced") or ())]


def _waits(olds: Props) -> bool:
    """Return whether a key that was replaced is to be revoked now."""
    revoke_at = olds.get("retire_at")
    return bool(revoke_at) and datetime.fromisoformat(str(revoke_at)) <= utc_now()


def _outputs(props: Props, issued: rules.IssuedApiKey) -> Props:
    outs = {
        **props,
        "prefix": issued.prefix,
        "expires_at": issued.expires_at.isoformat(),
        "created_at": issued.created_at.isoformat(),
    }
    waiting = (
        {"retire_at": issued.revoke_at.isoformat(), "replaced": sorted(issued.superseded)} if issued.revoke_at else {}
    )
    return {**outs, **waiting}
