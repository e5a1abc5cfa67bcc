"""The connection of Pulumi to one Headscale: an explicit provider that users and keys are given."""

from collections.abc import Callable
from dataclasses import fields

import pulumi
from pulumi.dynamic import Config

from dynamic_providers.errors import ChannelError
from dynamic_providers.settings import SECRETS, ConnectionFields, Settings, decode, encode

PREFIX = "headscale"
"""Namespace of the settings in the provider's own configuration."""


class ConnectionArgs(ConnectionFields[pulumi.Input[str], pulumi.Input[int], pulumi.Input[bool]]):
    """How a Headscale is reached; `ConnectionFields` has the fields, each of which may be an Output here."""


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
        given = {item.name: value for item in fields(args) if (value := getattr(args, item.name)) is not None}
        settings = {
            f"{PREFIX}:{name}": pulumi.Output.secret(_as_text(value)) if name in SECRETS else _as_text(value)
            for name, value in given.items()
        }
        super().__init__("pulumi-python", resource_name, settings, opts)
        self._settings = settings

    @property
    def settings(self) -> pulumi.Output[Settings]:
        """The settings, once the resource is there; a Pulumi secret, for a key may be in it."""
        texts = pulumi.Output.all(id=self.id, **self._settings)
        return pulumi.Output.secret(texts.apply(lambda values: _settings_from(values.get)))


def settings_of(config: Config) -> Settings:
    """Return the settings that a provider process was configured with.

    Args:
        config: What Pulumi hands to `configure`: text, all of it.
    """
    return _settings_from(config.get)


def _settings_from(get: Callable[[str], object]) -> Settings:
    settings = decode(lambda name: get(f"{PREFIX}:{name}"))
    if settings is None:
        raise ChannelError("users and keys need a HeadscaleConnection: give it as `provider` in their options")
    return settings


def _as_text(value: pulumi.Input[object]) -> pulumi.Input[str]:
    """Return a setting as the text that the state has."""
    if isinstance(value, int | str):
        return encode(value)
    # An output of another provider that was not given is an Output too, of None.
    return pulumi.Output.from_input(value).apply(lambda item: "" if item is None else str(item))
