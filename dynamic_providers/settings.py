"""The settings of a connection: where its Headscale is, how it is reached, and how they stand in Pulumi's state."""

# ruff: noqa: RUF009 - `_default` returns a `dataclasses.field`, which no two instances share

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from headscale_core.defaults import GRPC_PORT, HTTP_PORT, RELAY_PORT

Text = TypeVar("Text")
Number = TypeVar("Number")
Flag = TypeVar("Flag")


def _default(value: object = None, *, is_secret: bool = False) -> Any:  # noqa: ANN401 - fits each of the variables
    """Return a field with its default; the type of the default decides how the field is read from its text.

    Args:
        value: The default, None for a text that may be absent.
        is_secret: Whether the field is encrypted in the state, and left out of `repr`.
    """
    return field(default=value, repr=not is_secret, metadata={"is_secret": is_secret})


@dataclass(frozen=True, slots=True)
class ConnectionFields(Generic[Text, Number, Flag]):
    """The fields of a connection, each with its default, for a program (`ConnectionArgs`) and a provider (`Settings`).

    Attributes:
        instance: Name of the instance's StatefulSet.
        namespace: Its namespace.
        channel: `relay`: a port-forward to the sidecar. `direct`: `address` with an API key over TLS. `pod`: a
            port-forward to the pod's own gRPC port, with a key that was given, or a temporary one.
        kubeconfig: Text or path, for the port-forward and for Secrets; default `KUBECONFIG`.
        context: Context in it; default the current one.
        cluster: Cluster in it, in place of the context's.
        relay_port: Where the sidecar relays in the pod.
        grpc_port: Where Headscale serves gRPC in the pod, for `pod`.
        address: `host:port` for gRPC or `https://host` for REST, for `direct`.
        api_key: The key, for `direct` and `pod`; a Pulumi secret.
        api_key_secret: A Secret in the namespace that holds the key under `api-key`; read at the time of use.
        tls: Whether gRPC uses TLS.
        ca_certificate: PEM of the authority to trust instead of the system's.
        transport: `grpc` (0.26 to 0.29) or `rest` (0.28 and newer), for `pod`; the relay finds out by itself.
        http_port: Where Headscale serves HTTP in the pod, for `pod` over REST.
        server_name: The name in Headscale's certificate, for `pod` with TLS.
        keys_on_user_deletion: What happens where 0.28 deletes everybody's keys with a user: `refuse`, or
            `recreate`; states have `remake` for the second.
    """

    instance: Text
    namespace: Text
    channel: Text = _default("relay")
    kubeconfig: Text | None = _default(is_secret=True)
    context: Text | None = _default()
    cluster: Text | None = _default()
    relay_port: Number = _default(RELAY_PORT)
    grpc_port: Number = _default(GRPC_PORT)
    address: Text | None = _default()
    api_key: Text | None = _default(is_secret=True)
    api_key_secret: Text | None = _default()
    tls: Flag = _default(value=False)
    ca_certificate: Text | None = _default()
    transport: Text = _default("grpc")
    http_port: Number = _default(HTTP_PORT)
    server_name: Text | None = _default()
    keys_on_user_deletion: Text = _default("refuse")


class Settings(ConnectionFields[str, int, bool]):
    """The settings that a provider works with; two that are equal share one channel."""

    __slots__ = ()

    @property
    def pod(self) -> str:
        """The instance's one pod."""
        return f"{self.instance}-0"

    @property
    def uses_temporary_api_key(self) -> bool:
        """Whether a temporary API key is created, and deleted after use."""
        return self.channel == "pod" and not (self.api_key or self.api_key_secret)


SECRETS = frozenset(item.name for item in fields(ConnectionFields) if item.metadata.get("is_secret"))
"""Names of the fields that are encrypted in the state."""


def encode(value: str | int) -> str:
    """Return a setting as text: all inputs of a provider are text, and anything else would be encoded as JSON.

    Args:
        value: A text, number or flag.
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def decode(text_of: Callable[[str], object]) -> Settings | None:
    """Return the settings that a state holds; None where it holds none.

    Args:
        text_of: Returns the text of a field by its name, None or an empty text where it is absent.
    """
    found = {item.name: _value(text, item.default) for item in fields(Settings) if (text := text_of(item.name))}
    return Settings(**found) if "instance" in found else None


def _value(text: object, default: object) -> Any:  # noqa: ANN401 - whatever the field holds
    if isinstance(default, bool):
        return str(text).lower() == "true"
    # Numbers on Pulumi's wire are floats.
    return int(float(str(text))) if isinstance(default, int) else text
