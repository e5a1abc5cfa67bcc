"""A small program with the installed package and Pulumi's mocks: what `make release-check` runs on each Python.

It is run by its path, with the interpreter of a fresh environment, so that nothing of the checkout is imported.
"""

from pathlib import Path
from typing import Any

import pulumi

import headscale_component
from headscale_component import Headscale


class Mocks(pulumi.runtime.Mocks):
    """Answers each registration with its inputs, and keeps its type."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Take a resource."""
        self.types.append(args.typ)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Answer a function: none is called."""
        raise AssertionError(args.token)


mocks = Mocks()
pulumi.runtime.set_mocks(mocks)


@pulumi.runtime.test  # type: ignore[untyped-decorator]
def declare() -> pulumi.Output[Any]:
    """Declare an instance with a user and a key."""
    vpn = Headscale("vpn", {"version": "v0.29.3", "config": {"server_url": "https://vpn.example.com"}})
    user = vpn.user("alice")
    key = vpn.pre_auth_key("laptop", {"user": "alice", "expiration": "24h"})
    return pulumi.Output.all(user.urn, key.urn, vpn.server_url)


declare()
expected = {
    "headscale:index:Headscale",
    "kubernetes:apps/v1:StatefulSet",
    "pulumi-python:dynamic/headscale:User",
    "pulumi-python:dynamic/headscale:PreAuthKey",
}
missing = expected - set(mocks.types)
if missing:
    raise SystemExit(f"error: not declared: {sorted(missing)}; declared: {sorted(set(mocks.types))}")
if "site-packages" not in Path(headscale_component.__file__).parts:
    raise SystemExit(f"error: {headscale_component.__file__} is not the installed package")
