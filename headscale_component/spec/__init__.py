"""What a person writes: the stack YAML as Pydantic models, and the rules it must keep.

Here live models, constrained values and rules; everything is pure. Here never live pulumi, Kubernetes objects,
files or the network: a stack can be checked where none of them is at hand.
"""

from headscale_component.spec.additions import check_api_key, check_pre_auth_key, check_user
from headscale_component.spec.api_key import ApiKeySpec, ManagedApiKeySpec
from headscale_component.spec.config import HeadscaleConfig
from headscale_component.spec.connection import ConnectionSpec
from headscale_component.spec.errors import Problem, SpecError
from headscale_component.spec.instance import HeadscaleArgs, PersistentVolumeClaimSpec
from headscale_component.spec.instances import load_instances
from headscale_component.spec.pre_auth_key import PreAuthKeySpec
from headscale_component.spec.user import UserSpec

__all__ = [
    "ApiKeySpec",
    "ConnectionSpec",
    "HeadscaleArgs",
    "HeadscaleConfig",
    "ManagedApiKeySpec",
    "PersistentVolumeClaimSpec",
    "PreAuthKeySpec",
    "Problem",
    "SpecError",
    "UserSpec",
    "check_api_key",
    "check_pre_auth_key",
    "check_user",
    "load_instances",
]
