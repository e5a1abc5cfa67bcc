"""How a client is opened: with which key, through which port, and what is reported where it cannot be."""

import base64
import contextlib
from typing import cast

import pytest

from dynamic_providers.admin.connection_dialer import ConnectionDialer, created_key
from dynamic_providers.errors import ChannelError, ClusterError
from dynamic_providers.kubernetes.answer import Answer
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.settings import Settings

PRINTED = {"0.29": ('"hskey-api-abc-def"', "hskey-api-abc-def"), "0.30": ('{"apiKey": "hskey"}', "hskey")}
WRONG = ["", "no JSON: hskey-api-secret", "{}", "[]", "null", '""', '{"apiKey": {"secret": 1}}']


@pytest.mark.parametrize(("printed", "key"), PRINTED.values(), ids=PRINTED)
def test_printed_key_is_found(printed, key):
    assert created_key(printed) == key


@pytest.mark.parametrize("printed", WRONG)
def test_other_output_is_refused_and_not_shown(printed):
    with pytest.raises(ChannelError, match="printed no API key") as caught:
        created_key(printed)

    assert "secret" not in str(caught.value)


class ScriptedCluster:
    """A cluster with a StatefulSet, at most one Secret, and a pod whose command line creates a key."""

    name = "a cluster"

    def __init__(self, secret=None, *, fails_to_delete=False):
        self.secret, self.fails_to_delete = secret, fails_to_delete
        self.ports, self.commands = [], []

    def request(self, _method, path):
        if "/secrets/" not in path:
            return Answer(200, {"metadata": {}})
        if self.secret is None:
            return Answer(404, {"message": "not found"})
        return Answer(200, {"data": {key: base64.b64encode(text).decode() for key, text in self.secret.items()}})

    @contextlib.contextmanager
    def port_forward(self, _pod, _namespace, port):
        self.ports.append(port)
        yield 1

    def execute(self, _pod, _namespace, container, command):
        self.commands.append((container, *command[:3]))
        if "delete" in command and self.fails_to_delete:
            raise ClusterError("no such pod")
        return '"hskey-api-abcdefghijkl-secret"'


def a_dialer(cluster, **settings):
    return ConnectionDialer(Settings("vpn", "n", **settings), cast("Cluster", cluster))


def test_direct_without_address_is_refused():
    with (
        pytest.raises(ChannelError, match="needs an `address`"),
        a_dialer(ScriptedCluster(), channel="direct").client(),
    ):
        pass


SECRETS = {
    "no Secret": (None, "cannot be read from Secret n/key: not found"),
    "no key in it": ({"other": b"x"}, "cannot be read from Secret n/key: it has no `api-key`"),
    "what is no key": ({"api-key": b"not a key"}, "Secret n/key holds characters that no key has"),
}


@pytest.mark.parametrize(("secret", "reason"), SECRETS.values(), ids=SECRETS)
def test_unusable_key_secret_is_refused(secret, reason):
    dialer = a_dialer(ScriptedCluster(secret), channel="pod", api_key_secret="key")

    with pytest.raises(ChannelError, match=reason) as caught, dialer.client():
        pass
    assert "not a key" not in str(caught.value)


@pytest.mark.parametrize(("transport", "port"), [("grpc", 50443), ("rest", 8080)])
@pytest.mark.parametrize("fails_to_delete", [False, True])
def test_temporary_api_key_is_deleted_after_use(transport, port, fails_to_delete):
    cluster = ScriptedCluster(fails_to_delete=fails_to_delete)

    with a_dialer(cluster, channel="pod", transport=transport).client():
        assert cluster.commands == [("headscale", "headscale", "apikeys", "create")]

    assert cluster.ports == [port]
    assert cluster.commands[1:] == [("headscale", "headscale", "apikeys", "delete")]


def test_stored_key_needs_no_temporary_one():
    cluster = ScriptedCluster({"api-key": b"hskey-api-abcdefghijkl-secret\n"})

    with a_dialer(cluster, channel="pod", api_key_secret="key").client():
        assert (cluster.ports, cluster.commands) == ([50443], [])


def test_report_of_direct_names_address_and_proxy():
    assert a_dialer(ScriptedCluster(), channel="direct").report().startswith("look at the address, the proxy")
