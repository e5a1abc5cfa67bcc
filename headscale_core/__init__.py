"""What a Headscale is and how its users and keys live: client, keys, users, policy, rollout, values.

Here never live pulumi, kr8s or Pydantic, so that the sidecar may load it. `errors` draws the tree of errors.
Names are resolved on first use: a program that only reads durations does not load gRPC.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from headscale_core.errors import HeadscaleError

if TYPE_CHECKING:
    from headscale_core.client.client import HeadscaleClient
    from headscale_core.client.errors import (
        AlreadyExists,
        ApiError,
        DeadlineExceeded,
        FailedPrecondition,
        InvalidArgument,
        InvalidConnection,
        NotFound,
        PermissionDenied,
        ServerFault,
        Unauthenticated,
        Unreachable,
        Unsupported,
    )
    from headscale_core.client.models import ApiKey, Node, PreAuthKey, User, api_key_prefix
    from headscale_core.keys.api_key import SecretModified
    from headscale_core.keys.secrets import SecretNotOwned
    from headscale_core.policy.lifecycle import PolicyError
    from headscale_core.rollout.rollout import RolloutError
    from headscale_core.users.identity import UserError

__all__ = [
    "AlreadyExists",
    "ApiError",
    "ApiKey",
    "DeadlineExceeded",
    "FailedPrecondition",
    "HeadscaleClient",
    "HeadscaleError",
    "InvalidArgument",
    "InvalidConnection",
    "Node",
    "NotFound",
    "PermissionDenied",
    "PolicyError",
    "PreAuthKey",
    "RolloutError",
    "SecretModified",
    "SecretNotOwned",
    "ServerFault",
    "Unauthenticated",
    "Unreachable",
    "Unsupported",
    "User",
    "UserError",
    "api_key_prefix",
]

_MODULES = {
    "HeadscaleClient": "client.client",
    **dict.fromkeys(("ApiKey", "Node", "PreAuthKey", "User", "api_key_prefix"), "client.models"),
    "PolicyError": "policy.lifecycle",
    "RolloutError": "rollout.rollout",
    "SecretModified": "keys.api_key",
    "SecretNotOwned": "keys.secrets",
    "UserError": "users.identity",
}
"""Where a name is defined, unless that is `client.errors`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"headscale_core.{_MODULES.get(name, 'client.errors')}"), name)
