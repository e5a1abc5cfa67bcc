"""The public names: an addition is a decision, a removal breaks programs."""

import subprocess
import sys

import pytest

import headscale_component

NAMES = {
    "resources": ["ApiKey", "Headscale", "HeadscaleConnection", "Policy", "PreAuthKey", "User"],
    "arguments": ["ConnectionArgs", "HeadscaleArgs"],
    "models": [
        "ApiKeySpec",
        "ConnectionSpec",
        "FileSpec",
        "HeadscaleConfig",
        "ManagedApiKeySpec",
        "PersistentVolumeClaimSpec",
        "PodSpec",
        "PolicySpec",
        "PreAuthKeySpec",
        "Problem",
        "UserSpec",
    ],
    "errors": [
        "ApiError",
        "ChannelError",
        "ClusterError",
        "HeadscaleError",
        "PolicyError",
        "ProviderError",
        "RolloutError",
        "SecretModified",
        "SecretNotOwned",
        "SpecError",
        "UserError",
    ],
    "functions": ["declare_instances", "get_policy", "get_user", "list_nodes", "load_instances", "stack_instances"],
}


def test_public_names_are_these_and_sorted():
    assert headscale_component.__all__ == sorted(name for names in NAMES.values() for name in names)


@pytest.mark.parametrize("name", headscale_component.__all__)
def test_public_name_resolves_to_its_own(name):
    assert getattr(headscale_component, name).__name__ == name


@pytest.mark.parametrize("name", NAMES["errors"])
def test_public_error_is_an_exception(name):
    assert issubclass(getattr(headscale_component, name), Exception)


@pytest.mark.parametrize("kind", ["models", "errors"])
def test_models_and_errors_load_no_pulumi(kind):
    program = (
        "import sys, headscale_component as h\n"
        f"for name in {NAMES[kind]}: getattr(h, name)\n"
        "print([name for name in ('pulumi', 'pulumi_kubernetes', 'kr8s') if name in sys.modules])"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        headscale_component.Nothing  # noqa: B018 - the access is the test
