"""The base of the resources: what goes into the state for each of them is kept small."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource, ResourceProvider

_SDK_FRAMES = 5
"""Frames of the SDK between its inspection of the call stack and the constructor of a dynamic resource."""


class HeadscaleResource(Resource, module="headscale"):
    """A dynamic resource that is registered without the call stack of the program.

    The SDK sends 1.3 kB of it with every resource, and a backend writes the whole state at every step. The engine
    stores it and never compares it (https://github.com/pulumi/pulumi/issues/20430). For the same reason an input that
    is not given is not registered; it reads as an Output of None.

    Attributes:
        computed: Names of what its provider computes.
    """

    computed: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        provider: ResourceProvider,
        name: str,
        props: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register it.

        Args:
            provider: Its provider.
            name: Its name in Pulumi.
            props: Its inputs, None for those that are not given.
            opts: Options.
        """
        given = {key: value for key, value in props.items() if value is not None}
        with _no_call_stack():
            super().__init__(provider, name, {**given, **dict.fromkeys(self.computed)}, opts)

    def __getattr__(self, name: str) -> pulumi.Output[None]:
        """Return an input that was not given."""
        if name.startswith("_") or name not in type(self).__annotations__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        nothing: pulumi.Output[None] = pulumi.Output.from_input(None)
        return nothing


@contextlib.contextmanager
def _no_call_stack() -> Iterator[None]:
    """Keep the SDK from seeing more of the call stack than its own frames, of which it sends nothing.

    There is no option for it; `traceback.extract_stack`, by which the SDK looks, obeys this limit.
    """
    before = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = _SDK_FRAMES
    try:
        yield
    finally:
        if before is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = before
