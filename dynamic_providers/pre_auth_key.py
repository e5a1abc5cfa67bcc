"""A preauth key, with the Secret that holds it, as a Pulumi resource."""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from dynamic_providers.channel import HeadscaleGone, repeat_safely, utc_now
from dynamic_providers.provider import HeadscaleProvider, Props, changed, checked
from dynamic_providers.rules import pre_auth_key as rules
from headscale_api import fields
from headscale_api.stored_keys.store import SecretStore

_IMMUTABLE = ("namespace", "secret_name", "user_id", "expiration", "reusable", "ephemeral", "tags")


class PreAuthKeyProvider(HeadscaleProvider):
    """Adapter of the preauth key's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        result = checked(
            news,
            {
                "namespace": fields.dns_label,
                "secret_name": fields.dns_subdomain,
                "user_id": fields.user_id,
                "expiration": fields.positive_duration,
                "tags": fields.tags,
            },
        )
        if news.get("user_id") is None and not news.get("tags"):
            result.failures.append(CheckFailure("user_id", "belongs to nobody: give `user_id` or `tags`"))
        return result

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Replace on any change: a key cannot be altered. The new one is in its Secret before the old one goes."""
        self.known.add(id_)
        differences = changed(_IMMUTABLE, olds, news)
        return DiffResult(changes=bool(differences), replaces=differences)

    def create(self, props: Props) -> CreateResult:
        """Make key and Secret together, or finish what an interrupted run began."""

        def create() -> rules.Held:
            with self.channel.session() as client:
                return rules.create(client, self._secrets, _wanted(props), utc_now(), held=sorted(self.known))

        held = repeat_safely(create)
        return CreateResult(
            str(held.key.id),
            {**props, "key": held.key.key, "expires_at": held.expires_at.isoformat()},
        )

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return whether Headscale and the Secret have the key; where not, the next update makes a new one."""
        with self.channel.session() as client:
            keys = client.list_pre_auth_keys()
        if all(str(key.id) != id_ for key in keys):
            return ReadResult("", {})
        stored = self._secrets.read(props["namespace"], props["secret_name"])
        if stored is None or stored.data.get(rules.DATA_KEY) != props.get("key"):
            return ReadResult("", {})
        return ReadResult(id_, props, {name: props.get(name) for name in _IMMUTABLE})

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Keep what is known of the key; nothing of it can be changed."""
        kept = {name: olds.get(name) for name in ("key", "expires_at")}
        return UpdateResult({**news, **kept})

    def delete(self, id_: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret."""
        namespace, secret_name = props["namespace"], props["secret_name"]

        def delete() -> None:
            with self.channel.session() as client:
                rules.delete(client, self._secrets, id_, namespace, secret_name)

        try:
            repeat_safely(delete)
        except HeadscaleGone:
            rules.delete_secret(self._secrets, id_, namespace, secret_name)

    @property
    def _secrets(self) -> SecretStore:
        return self.channel.secrets("preauth-key")


class PreAuthKey(Resource, module="headscale", name="PreAuthKey"):
    """A key with which nodes join, and the Secret that holds it under `key`.

    Attributes:
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        user_id: The owner's id; None for a key with tags alone.
        expiration: How long it can be used to join.
        reusable: Whether more than one node may join with it; this and the two below are None where they are off.
        ephemeral: Whether its nodes are removed when they are away.
        tags: Tags for its nodes.
        key: The key, a Pulumi secret.
        expires_at: When it ends, RFC 3339.
    """

    namespace: pulumi.Output[str]
    user_id: pulumi.Output[str | None]
    expiration: pulumi.Output[str]
    reusable: pulumi.Output[bool | None]
    ephemeral: pulumi.Output[bool | None]
    tags: pulumi.Output[list[str] | None]
    key: pulumi.Output[str]
    expires_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        secret_name: str,
        user_id: pulumi.Input[str] | None = None,
        expiration: pulumi.Input[str] = "1h",
        reusable: pulumi.Input[bool] = False,
        ephemeral: pulumi.Input[bool] = False,
        tags: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a key; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "namespace": namespace,
            "secret_name": secret_name,
            "user_id": user_id,
            "expiration": expiration,
            # What is off is left out: the backend writes the whole state at every step, so its size is time.
            "reusable": reusable or None,
            "ephemeral": ephemeral or None,
            "tags": sorted(set(tags)) or None,
            "key": None,
            "expires_at": None,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        super().__init__(PreAuthKeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret))


def _wanted(props: Props) -> rules.Wanted:
    return rules.Wanted(
        namespace=props["namespace"],
        secret_name=props["secret_name"],
        user_id=props.get("user_id"),
        expiration=props["expiration"],
        reusable=bool(props.get("reusable")),
        ephemeral=bool(props.get("ephemeral")),
        tags=tuple(props.get("tags") or ()),
    )
