"""Headscale on Kubernetes as a Pulumi component.

Here lives the public API and nothing else. Names are resolved on first use, so that the specification and the
command line load neither pulumi nor pulumi_kubernetes.

Errors: `SpecError` for a stack that is not valid, `HeadscaleError` for what Headscale answers or the rules of users,
keys, policy and rollouts refuse, `ProviderError` for a Headscale or a cluster that cannot be reached. The trees are
drawn in `headscale_core.errors` and `dynamic_providers.errors`. Resources are created in a process of their own, whose
errors the engine shows; a program catches those of what it calls itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynamic_providers.api_key import ApiKey
    from dynamic_providers.connection import ConnectionArgs, HeadscaleConnection
    from dynamic_providers.errors import ChannelError, ClusterError, ProviderError
    from dynamic_providers.lookup import get_policy, get_user, list_nodes
    from dynamic_providers.policy import Policy
    from dynamic_providers.pre_auth_key import PreAuthKey
    from dynamic_providers.user import User
    from headscale_component.component import Headscale
    from headscale_component.spec import (
        ApiKeySpec,
        ConnectionSpec,
        HeadscaleArgs,
        HeadscaleConfig,
        ManagedApiKeySpec,
        PersistentVolumeClaimSpec,
        PreAuthKeySpec,
        SpecError,
        UserSpec,
        load_instances,
    )
    from headscale_component.spec.errors import Problem
    from headscale_component.spec.files import FileSpec
    from headscale_component.spec.pod import PodSpec
    from headscale_component.spec.policy import PolicySpec
    from headscale_component.stack_config import declare_instances, stack_instances
    from headscale_core import (
        ApiError,
        HeadscaleError,
        PolicyError,
        RolloutError,
        SecretModified,
        SecretNotOwned,
        UserError,
    )

__all__ = [
    "ApiError",
    "ApiKey",
    "ApiKeySpec",
    "ChannelError",
    "ClusterError",
    "ConnectionArgs",
    "ConnectionSpec",
    "FileSpec",
    "Headscale",
    "HeadscaleArgs",
    "HeadscaleConfig",
    "HeadscaleConnection",
    "HeadscaleError",
    "ManagedApiKeySpec",
    "PersistentVolumeClaimSpec",
    "PodSpec",
    "Policy",
    "PolicyError",
    "PolicySpec",
    "PreAuthKey",
    "PreAuthKeySpec",
    "Problem",
    "ProviderError",
    "RolloutError",
    "SecretModified",
    "SecretNotOwned",
    "SpecError",
    "User",
    "UserError",
    "UserSpec",
    "declare_instances",
    "get_policy",
    "get_user",
    "list_nodes",
    "load_instances",
    "stack_instances",
]

_MODULES = {
    "ApiError": "headscale_core",
    "ApiKey": "dynamic_providers.api_key",
    "ChannelError": "dynamic_providers.errors",
    "ClusterError": "dynamic_providers.errors",
    "ConnectionArgs": "dynamic_providers.connection",
    "FileSpec": "headscale_component.spec.files",
    "Headscale": "headscale_component.component",
    "HeadscaleConnection": "dynamic_providers.connection",
    "HeadscaleError": "headscale_core",
    "PodSpec": "headscale_component.spec.pod",
    "Policy": "dynamic_providers.policy",
    "PolicyError": "headscale_core",
    "PolicySpec": "headscale_component.spec.policy",
    "PreAuthKey": "dynamic_providers.pre_auth_key",
    "Problem": "headscale_component.spec.errors",
    "ProviderError": "dynamic_providers.errors",
    "RolloutError": "headscale_core",
    "SecretModified": "headscale_core",
    "SecretNotOwned": "headscale_core",
    "User": "dynamic_providers.user",
    "UserError": "headscale_core",
    "declare_instances": "headscale_component.stack_config",
    "get_policy": "dynamic_providers.lookup",
    "get_user": "dynamic_providers.lookup",
    "list_nodes": "dynamic_providers.lookup",
    "stack_instances": "headscale_component.stack_config",
}
"""Where a name is defined, unless that is `headscale_component.spec`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES.get(name, "headscale_component.spec")), name)
