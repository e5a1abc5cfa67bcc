"""Names of an instance's resources in Pulumi, of those kinds of which an instance has more than one.

They stand in people's state. A URN has a resource's type and name, and of its parent the type alone (pulumi/pulumi
issue 4625), so that two instances of one stack must not give one name to two resources of one type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.errors import PathPart
from headscale_component.spec.valid_part import rule, value_or_none

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]


def user(instance: str, name: str) -> str:
    """Return the name of a user's resource."""
    return f"{instance}-{name}"


def pre_auth_key(instance: str, name: str) -> str:
    """Return the name of a preauth key's resource."""
    return f"{instance}-{name}"


def api_key(instance: str, name: str) -> str:
    """Return the name of an API key's resource."""
    return f"{instance}-{name}-api-key"


def metrics_service(instance: str) -> str:
    """Return the name of the metrics Service's resource; the other Service has the instance's."""
    return f"{instance}-metrics"


def names_of(instance: str, spec: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    """Yield kind and name of each resource, with the path that makes it.

    Args:
        instance: The instance's name.
        spec: The instance, or its valid part.
    """
    yield "Service", instance, ()
    yield "Service", metrics_service(instance), ()
    yield from _users(instance, spec)
    yield from _pre_auth_keys(instance, spec)
    yield from _api_keys(instance, spec)


@rule
def _users(instance: str, spec: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    for name, declared in spec.users.items():
        yield "User", user(instance, name), ("users", name)
        before = value_or_none(declared, "renamed_from")
        if before is not None and before != name:
            # An alias: the state has it under this name.
            yield "User", user(instance, before), ("users", name, "renamedFrom")


@rule
def _pre_auth_keys(instance: str, spec: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    for name in spec.pre_auth_keys:
        yield "PreAuthKey", pre_auth_key(instance, name), ("preAuthKeys", name)


@rule
def _api_keys(instance: str, spec: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    for name in spec.api_keys:
        yield "ApiKey", api_key(instance, name), ("apiKeys", name)
