"""Names of an instance's resources in Pulumi, of those kinds of which an instance has more than one.

They stand in people's state. A URN has a resource's type and name, and of its parent the type alone (pulumi/pulumi
issue 4625), so that two instances of one stack must not give one name to two resources of one type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headscale_component.spec.errors import PathPart
from headscale_component.spec.rules import get

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


def names_of(instance: str, raw: Mapping[str, Any]) -> Iterator[tuple[str, str, Path]]:
    """Yield kind and name of each resource, with the path that makes it.

    Args:
        instance: The instance's name.
        raw: The instance as it was written.
    """
    yield "Service", instance, ()
    yield "Service", metrics_service(instance), ()
    for name, value in _named(raw, "users"):
        yield "User", user(instance, name), ("users", name)
        before = get(value, "renamedFrom") if isinstance(value, Mapping) else None
        if isinstance(before, str) and before != name:
            # An alias: the state has it under this name.
            yield "User", user(instance, before), ("users", name, "renamedFrom")
    for name, _ in _named(raw, "preAuthKeys"):
        yield "PreAuthKey", pre_auth_key(instance, name), ("preAuthKeys", name)
    for name, _ in _named(raw, "apiKeys"):
        yield "ApiKey", api_key(instance, name), ("apiKeys", name)


def _named(raw: Mapping[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    entries = get(raw, section)
    yield from ((str(name), value) for name, value in entries.items()) if isinstance(entries, Mapping) else ()
