"""Headscale on Kubernetes as a Pulumi component.

Here lives the public API and nothing else. Names are resolved on first use, so that the specification and the
command line load neither pulumi nor pulumi_kubernetes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynamic_providers.api_key import ApiKey
    from dynamic_providers.connection import ConnectionArgs, HeadscaleConnection
    from dynamic_providers.lookup import get_policy, get_user, list_nodes
    from dynamic_providers.policy import Policy
    from dynamic_providers.pre_auth_key import PreAuthKey
    from dynamic_providers.user import User
    from headscale_component.component import Headscale
    from headscale_component.spec import (
        ApiKeySpec,
        HeadscaleArgs,
        HeadscaleConfig,
        PersistentVolumeClaimSpec,
        PreAuthKeySpec,
        SpecError,
        UserSpec,
        load_instances,
    )
    from headscale_component.stack_config import declare_instances, stack_instances

__all__ = [
    "ApiKey",
    "ApiKeySpec",
    "ConnectionArgs",
    "Headscale",
    "HeadscaleArgs",
    "HeadscaleConfig",
    "HeadscaleConnection",
    "PersistentVolumeClaimSpec",
    "Policy",
    "PreAuthKey",
    "PreAuthKeySpec",
    "SpecError",
    "User",
    "UserSpec",
    "declare_instances",
    "get_policy",
    "get_user",
    "list_nodes",
    "load_instances",
    "stack_instances",
]

_HOMES = {
    "ApiKey": "dynamic_providers.api_key",
    "ConnectionArgs": "dynamic_providers.connection",
    "Headscale": "headscale_component.component",
    "HeadscaleConnection": "dynamic_providers.connection",
    "Policy": "dynamic_providers.policy",
    "PreAuthKey": "dynamic_providers.pre_auth_key",
    "User": "dynamic_providers.user",
    "declare_instances": "headscale_component.stack_config",
    "get_policy": "dynamic_providers.lookup",
    "get_user": "dynamic_providers.lookup",
    "list_nodes": "dynamic_providers.lookup",
    "stack_instances": "headscale_component.stack_config",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "headscale_component.spec")), name)
