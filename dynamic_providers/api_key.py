"""An API key, with the Secret that holds it, as a Pulumi resource that rotates."""

from datetime import datetime
from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from dynamic_providers.channel import HeadscaleGone, repeat_safely, utc_now
from dynamic_providers.provider import HeadscaleProvider, Props, changed, checked
from headscale_api import fields
from headscale_api.stored_keys import api_key as rules
from headscale_api.stored_keys.store import SecretStore


class ApiKeyProvider(HeadscaleProvider):
    """Adapter of the API key's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        return checked(
            news,
            {
                "namespace": fields.dns_label,
                "secret_name": fields.dns_subdomain,
                "expiration": fields.positive_duration,
                "rotation_buffer": fields.positive_duration,
            },
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Rotate in place when the time has come or the lifetime changed. Only the clock is asked."""
        moved = changed(("namespace", "secret_name"), olds, news)
        altered = changed(("expiration", "rotation_buffer"), olds, news)
        due = not moved and _is_due(olds, news)
        return DiffResult(changes=bool(moved or altered or due), replaces=moved)

    def create(self, props: Props) -> CreateResult:
        """Make key and Secret together, or finish what an interrupted run began."""

        def create() -> rules.Held:
            with self.channel.session() as client:
                return rules.create(client, self._secrets, _wanted(props), utc_now())

        held = repeat_safely(create)
        return CreateResult(f"{props['namespace']}/{props['secret_name']}", _outputs(props, held))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return whether the Secret holds a key that Headscale knows; where not, the next update makes a new one."""
        with self.channel.session() as client:
            stored = self._secrets.read(props["namespace"], props["secret_name"])
            held = rules.current(client, stored) if stored else None
        if held is None:
            return ReadResult("", {})
        outs = _outputs(props, held)
        names = ("namespace", "secret_name", "expiration", "rotation_buffer")
        return ReadResult(id_, outs, {name: outs.get(name) for name in names})

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Rotate where the time has come or the lifetime changed: the new key is stored before the old one goes."""
        if not _is_due(olds, news) and not changed(("expiration",), olds, news):
            return UpdateResult({**olds, **news})

        def rotate() -> rules.Held:
            with self.channel.session() as client:
                return rules.rotate(client, self._secrets, _wanted(news), utc_now(), old=olds.get("prefix"))

        return UpdateResult(_outputs(news, repeat_safely(rotate)))

    def delete(self, _id: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret."""
        prefix, namespace, secret_name = props["prefix"], props["namespace"], props["secret_name"]

        def delete() -> None:
            with self.channel.session() as client:
                rules.delete(client, self._secrets, prefix, namespace, secret_name)

        try:
            repeat_safely(delete)
        except HeadscaleGone:
            rules.delete_secret(self._secrets, prefix, namespace, secret_name)

    @property
    def _secrets(self) -> SecretStore:
        return self.channel.secrets("api-key")


class ApiKey(Resource, module="headscale", name="ApiKey"):
    """A key for Headscale's API, in a Secret under `api-key`, with `expiration` and `created-at`.

    Attributes:
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        expiration: How long a key is valid.
        rotation_buffer: A key with less than this left is replaced by the next update.
        prefix: What names the key in Headscale's lists; no secret.
        expires_at: When the present key ends, RFC 3339.
        created_at: When it was made, RFC 3339.
    """

    namespace: pulumi.Output[str]
    expiration: pulumi.Output[str]
    rotation_buffer: pulumi.Output[str]
    prefix: pulumi.Output[str]
    expires_at: pulumi.Output[str]
    created_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        secret_name: str,
        expiration: pulumi.Input[str] = "2160h",
        rotation_buffer: pulumi.Input[str] = "240h",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a key; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "namespace": namespace,
            "secret_name": secret_name,
            "expiration": expiration,
            "rotation_buffer": rotation_buffer,
            "prefix": None,
            "expires_at": None,
            "created_at": None,
        }
        super().__init__(ApiKeyProvider(), resource_name, props, opts)


def _wanted(props: Props) -> rules.Wanted:
    return rules.Wanted(props["namespace"], props["secret_name"], props["expiration"], props["rotation_buffer"])


def _is_due(olds: Props, news: Props) -> bool:
    expires_at, buffer = olds.get("expires_at"), news.get("rotation_buffer")
    if not isinstance(expires_at, str) or not isinstance(buffer, str):
        return False
    return rules.is_due(datetime.fromisoformat(expires_at), buffer, utc_now())


def _outputs(props: Props, held: rules.Held) -> Props:
    return {
        **props,
        "prefix": held.prefix,
        "expires_at": held.expires_at.isoformat(),
        "created_at": held.created_at.isoformat(),
    }
