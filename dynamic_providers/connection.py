"""The connection of Pulumi to one Headscale: an explicit provider that users and keys are given."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pulumi
from pulumi.dynamic import Config

from dynamic_providers.errors import ChannelError
from dynamic_providers.settings import Settings
from headscale_core.defaults import GRPC_PORT, HTTP_PORT, RELAY_PORT

PREFIX = "headscale"
"""Namespace of the settings in the provider's own configuration."""


@dataclass(kw_only=True)
class ConnectionArgs:
    """How a Headscale is reached.

    Attributes:
        instance: Name of the instance's StatefulSet.
        namespace: Its namespace.
        channel: `relay`: a port-forward to the sidecar. `direct`: `address` with an API key over TLS. `pod`: a
            port-forward to the pod's own gRPC port, with a key that was given, or one that is made for the moment.
        kubeconfig: Text or path, for the port-forward and for Secrets; default `KUBECONFIG`.
        context: Context in it; default the current one.
        cluster: Cluster in it, in place of the context's.
        relay_port: Where the sidecar relays in the pod.
        grpc_port: Where Headscale serves gRPC in the pod, for `pod`.
        address: `host:port` for gRPC or `https://host` for REST, for `direct`.
        api_key: The key, for `direct` and `pod`; a Pulumi secret.
        api_key_secret: A Secret in the namespace that holds the key under `api-key`; read at the time of use.
        tls: Whether gRPC speaks TLS.
        ca_certificate: PEM of the authority to trust instead of the system's.
        transport: `grpc` (0.26 to 0.29) or `rest` (0.28 and newer), for `pod`; the relay finds out by itself.
        http_port: Where Headscale serves HTTP in the pod, for `pod` by REST.
        server_name: The name in Headscale's certificate, for `pod` with TLS.
        keys_on_user_deletion: What happens where 0.28 deletes everybody's keys with a user: `refuse`, or `remake`.
    """

    instance: pulumi.Input[str]
    namespace: pulumi.Input[str]
    channel: pulumi.Input[str] = "relay"
    kubeconfig: pulumi.Input[str] | None = None
    context: pulumi.Input[str] | None = None
    cluster: pulumi.Input[str] | None = None
    relay_port: pulumi.Input[int] = RELAY_PORT
    grpc_port: pulumi.Input[int] = GRPC_PORT
    address: pulumi.Input[str] | None = None
    api_key: pulumi.Input[str] | None = None
    api_key_secret: pulumi.Input[str] | None = None
    tls: pulumi.Input[bool] = False
    ca_certificate: pulumi.Input[str] | None = None
    transport: pulumi.Input[str] = "grpc"
    http_port: pulumi.Input[int] = HTTP_PORT
    server_name: pulumi.Input[str] | None = None
    keys_on_user_deletion: pulumi.Input[str] = "refuse"


class HeadscaleConnection(pulumi.ProviderResource):
    """One Headscale, as the `provider` of its users and keys.

    It runs in a process of its own, opens its channel on first use, and keeps its secrets once, encrypted. Destroy and
    refresh use it from the state, without the program.
    """

    def __init__(self, resource_name: str, args: ConnectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a connection.

        Args:
            resource_name: Its name in Pulumi.
            args: How the Headscale is reached.
            opts: Options.
        """
        settings = {
            f"{PREFIX}:{field.name}": _as_text(value)
            for field in fields(args)
            if (value := getattr(args, field.name)) is not None
        }
        for name in ("api_key", "kubeconfig"):
            key = f"{PREFIX}:{name}"
            if key in settings:
                settings[key] = pulumi.Output.secret(settings[key])
        super().__init__("pulumi-python", resource_name, settings, opts)
        self._settings = settings

    @property
    def settings(self) -> pulumi.Output[Settings]:
        """What it was told, once the resource is there; a Pulumi secret, for a key may be in it."""
        told = pulumi.Output.all(id=self.id, **self._settings)
        return pulumi.Output.secret(told.apply(lambda values: _settings_from(values.get)))


def settings_of(config: Config) -> Settings:
    """Return the settings that a provider process was configured with.

    Args:
        config: What Pulumi hands to `configure`: text, all of it.
    """
    return _settings_from(config.get)


def _settings_from(get: Callable[[str], object]) -> Settings:
    told = {field.name: get(f"{PREFIX}:{field.name}") for field in fields(Settings)}
    given: dict[str, Any] = {name: value for name, value in told.items() if value not in (None, "")}
    if "instance" not in given:
        raise ChannelError("users and keys need a HeadscaleConnection: give it as `provider` in their options")
    for name in ("relay_port", "grpc_port", "http_port"):
        if name in given:
            given[name] = int(float(given[name]))
    if "tls" in given:
        given["tls"] = str(given["tls"]).lower() == "true"
    return Settings(**given)


def _as_text(value: pulumi.Input[object]) -> pulumi.Input[str]:
    """Return a setting as text: anything else would be encoded as JSON on its way."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | str):
        return str(value)
    # What another provider was not told is an Output too, of None.
    return pulumi.Output.from_input(value).apply(lambda item: "" if item is None else str(item))
