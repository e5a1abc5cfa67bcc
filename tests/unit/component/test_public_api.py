"""What `headscale_component` promises: its names, and the outputs of the component."""

import subprocess
import sys
import types
import typing
from pathlib import Path

import pulumi
import pytest

import headscale_component
from headscale_component import Headscale, HeadscaleArgs, HeadscaleConfig, PolicySpec
from headscale_component.spec.model import SpecModel

REPOSITORY = Path(__file__).parents[3]
PUBLIC = [
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
MODELS = [name for name in PUBLIC if name.endswith(("Spec", "Config", "Args")) and name != "ConnectionArgs"]
ERRORS = [name for name in PUBLIC if name.endswith("Error")] + ["SecretModified", "SecretNotOwned"]


def models_in(annotation):
    """Return the models that an annotation mentions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return {annotation} if issubclass(annotation, SpecModel) else set()
    return {model for part in typing.get_args(annotation) for model in models_in(part)}


def test_public_names_are_these():
    assert headscale_component.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_resolves_and_is_documented(name):
    assert getattr(headscale_component, name).__name__ == name
    assert getattr(headscale_component, name).__doc__


def test_unknown_name_is_an_attribute_error():
    misspelt = "Headscal"

    with pytest.raises(AttributeError, match="has no attribute 'Headscal'"):
        getattr(headscale_component, misspelt)


def test_models_of_an_instance_are_public():
    parts = {model for field in HeadscaleArgs.model_fields.values() for model in models_in(field.annotation)}

    assert {HeadscaleConfig, PolicySpec} < parts
    assert {model.__name__ for model in parts} <= set(PUBLIC)


@pytest.mark.parametrize("name", ERRORS)
def test_public_error_is_an_exception(name):
    assert issubclass(getattr(headscale_component, name), Exception)


@pytest.mark.parametrize("names", [MODELS, ERRORS], ids=["models", "errors"])
def test_models_and_errors_load_no_pulumi(names):
    program = (
        "import sys, headscale_component as h\n"
        f"for name in {names}: assert getattr(h, name).__name__ == name\n"
        "print([name for name in ('pulumi', 'pulumi_kubernetes', 'kr8s') if name in sys.modules])"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)

    assert run.stdout == "[]\n"


@pytest.fixture
def outputs_of(record, monkeypatch):
    """Return the outputs that the component of an instance registers."""
    registered, known = {}, {}
    monkeypatch.setattr(Headscale, "register_outputs", lambda self, outputs: registered.update(outputs))

    def run(instance):
        def program():
            Headscale("vpn", {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}, **instance})
            return pulumi.Output.from_input(registered).apply(known.update)

        record(program, outputs={"User": {"user_id": "7"}})
        return known

    return run


def test_component_registers_all_promised_outputs(outputs_of):
    keys = {"laptop": {"user": "alice"}, "runner": {"tags": ["tag:ci"], "secretName": "ci-key"}}

    assert outputs_of({"users": {"alice": {}}, "preAuthKeys": keys}) == {
        "namespace": "headscale",
        "server_url": "https://vpn.example.com",
        "service_name": "vpn",
        "metrics_service_name": "vpn-metrics",
        "api_key_secret_name": "headscale-api-key",
        "users": {"alice": "7"},
        "pre_auth_keys": {"laptop": "laptop", "runner": "ci-key"},
    }


def test_api_key_secret_is_none_without_sidecar(outputs_of):
    assert outputs_of({"apiKey": {"autoManage": False}})["api_key_secret_name"] is None
