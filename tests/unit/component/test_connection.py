"""A connection's settings: as a program gives them, as the state holds them, as a provider reads them."""

from typing import Any

import pulumi
import pytest
from pulumi.dynamic import Config

from dynamic_providers.connection import ConnectionArgs, HeadscaleConnection, settings_of
from dynamic_providers.errors import ChannelError
from dynamic_providers.settings import SECRETS, Settings

IN_STATE = {
    "headscale:instance": "vpn",
    "headscale:namespace": "tailnet",
    "headscale:channel": "relay",
    "headscale:relay_port": "50480",
    "headscale:grpc_port": "50443",
    "headscale:tls": "false",
    "headscale:transport": "grpc",
    "headscale:http_port": "8080",
    "headscale:keys_on_user_deletion": "refuse",
}
"""What the first release wrote for a connection that only says where the instance is."""

EVERYTHING_IN_STATE = {
    "headscale:instance": "vpn",
    "headscale:namespace": "tailnet",
    "headscale:channel": "pod",
    "headscale:kubeconfig": "/kube/config",
    "headscale:context": "north",
    "headscale:cluster": "north-cluster",
    "headscale:relay_port": "1",
    "headscale:grpc_port": "2",
    "headscale:address": "vpn.example.com:443",
    "headscale:api_key": "abc.def",
    "headscale:api_key_secret": "headscale-api-key",
    "headscale:tls": "true",
    "headscale:ca_certificate": "PEM",
    "headscale:transport": "rest",
    "headscale:http_port": "3",
    "headscale:server_name": "vpn.example.com",
    "headscale:keys_on_user_deletion": "remake",
}
EVERYTHING: dict[str, Any] = {
    "instance": "vpn",
    "namespace": "tailnet",
    "channel": "pod",
    "kubeconfig": "/kube/config",
    "context": "north",
    "cluster": "north-cluster",
    "relay_port": 1,
    "grpc_port": 2,
    "address": "vpn.example.com:443",
    "api_key": "abc.def",
    "api_key_secret": "headscale-api-key",
    "tls": True,
    "ca_certificate": "PEM",
    "transport": "rest",
    "http_port": 3,
    "server_name": "vpn.example.com",
    "keys_on_user_deletion": "remake",
}


@pytest.fixture
def registered(declared):
    """Return the inputs with which a connection is registered, without the marks of secrets."""

    def run(args):
        (resource,) = declared(lambda: HeadscaleConnection("vpn-connection", args) and None).values()
        return {key: value["value"] if isinstance(value, dict) else value for key, value in resource.inputs.items()}

    return run


@pytest.mark.parametrize(
    ("given", "in_state"),
    [({"instance": "vpn", "namespace": "tailnet"}, IN_STATE), (EVERYTHING, EVERYTHING_IN_STATE)],
)
def test_inputs_of_connection_stay_as_released(registered, given, in_state):
    assert registered(ConnectionArgs(**given)) == in_state


@pytest.mark.parametrize(
    ("in_state", "settings"),
    [(IN_STATE, Settings("vpn", "tailnet")), (EVERYTHING_IN_STATE, Settings(**EVERYTHING))],
)
def test_settings_are_read_from_released_state(in_state, settings):
    assert settings_of(Config(in_state, "headscale")) == settings


def test_outputs_reach_provider_as_text(registered):
    given = ConnectionArgs(
        instance=pulumi.Output.from_input("vpn"),
        namespace="tailnet",
        relay_port=pulumi.Output.from_input(1234.0),  # type: ignore[arg-type]  # what the engine hands over
        tls=pulumi.Output.from_input(True),
        context=pulumi.Output.from_input(None),
    )

    read = settings_of(Config(registered(given), "headscale"))

    assert read == Settings("vpn", "tailnet", relay_port=1234, tls=True)
    assert (type(read.relay_port), read.context) == (int, None)


def test_text_of_unknown_fields_is_ignored():
    assert settings_of(Config({**IN_STATE, "headscale:later": "x"}, "headscale")) == Settings("vpn", "tailnet")


def test_provider_without_connection_is_an_error():
    with pytest.raises(ChannelError, match="give it as `provider`"):
        settings_of(Config({}, "headscale"))


def test_credentials_are_secrets_and_not_in_repr():
    assert {"api_key", "kubeconfig"} == SECRETS
    assert "abc.def" not in repr(Settings(**EVERYTHING))


def test_equal_settings_share_a_hash():
    assert hash(Settings(**EVERYTHING)) == hash(Settings(**EVERYTHING))
