"""The base of the resources: what goes into the state for each of them is kept small."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource, ResourceProvider

_SDK_FRAMES = 5
"""Frames of the SDK between its look at the call stack and the constructor of a dynamic resource."""


class HeadscaleResource(Resource, module="headscale"):
    """A dynamic resource that is registered without the call stack of the program.

    The SDK sends 1.3 kB of it with every resource, and a backend writes the whole state at every step. The engine
    stores it and never compares it (https://github.com/pulumi/pulumi/issues/20430).
    """

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
            props: Its inputs, with None for what the provider computes.
            opts: Options.
        """
        with _no_call_stack():
            super().__init__(provider, name, dict(props), opts)


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
