"""What a Headscale is and how its users and keys live: client, keys, users, policy, rollout, values.

Here never live pulumi, kr8s or Pydantic, so that the sidecar may load it.
Names are resolved on first use: whoever only reads durations does not load gRPC.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headscale_core.client.client import HeadscaleClient
    from headscale_core.client.errors import (
        AlreadyExists,
        DeadlineExceeded,
        FailedPrecondition,
        HeadscaleError,
        InvalidArgument,
        NotFound,
        PermissionDenied,
        ServerFault,
        Unauthenticated,
        Unreachable,
        Unsupported,
    )
    from headscale_core.client.models import ApiKey, Node, PreAuthKey, User, api_key_prefix

__all__ = [
    "AlreadyExists",
    "ApiKey",
    "DeadlineExceeded",
    "FailedPrecondition",
    "HeadscaleClient",
    "HeadscaleError",
    "InvalidArgument",
    "Node",
    "NotFound",
    "PermissionDenied",
    "PreAuthKey",
    "ServerFault",
    "Unauthenticated",
    "Unreachable",
    "Unsupported",
    "User",
    "api_key_prefix",
]

_MODELS = {"ApiKey", "Node", "PreAuthKey", "User", "api_key_prefix"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "client" if name == "HeadscaleClient" else "models" if name in _MODELS else "errors"
    return getattr(importlib.import_module(f"headscale_core.client.{home}"), name)
