"""A refresh before an upgrade, in one process: what was learned of the old version does not outlive its pod."""

import contextlib
import socket
import threading

import pytest

from dynamic_providers import provider as provider_module
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.retry import retry_idempotent
from dynamic_providers.rollout import RolloutProvider
from tests.fakes.headscale import FakeHeadscale

from .clusters import provider, with_instance
from .test_rollout_lifecycle import NEWS


class PortForward:
    """A local port that leads to the socket of whichever Headscale is in the pod, as a port-forward of kr8s does."""

    def __init__(self, headscale):
        self.headscale, self._open = headscale, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def replace(self, headscale):
        """Replace the pod: connections to the old one end."""
        self.headscale = headscale
        end(*self._open)

    def close(self):
        end(self._listener, *self._open)
        for thread in self._threads:
            thread.join(5)
        for value in (self._listener, *self._open):
            value.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                self._open += [client, server]
                server.connect(self.headscale.socket_path)
                for pair in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=copy, args=pair))
                    self._threads[-1].start()


def end(*sockets):
    for value in sockets:
        with contextlib.suppress(OSError):
            value.shutdown(socket.SHUT_RDWR)


def copy(source, target):
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    end(source, target)


@pytest.fixture
def forward(api, monkeypatch):
    """The port-forward to a pod of 0.27."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr(RolloutWatcher, "_wrong_version", lambda *_: "")
    with_instance(api, "11111111-1111")
    with FakeHeadscale("0.27") as old, contextlib.closing(PortForward(old)) as made:
        monkeypatch.setattr(Cluster, "port_forward", lambda *_: contextlib.nullcontext(made.port))
        yield made
        for channel in provider_module._channels.values():
            channel.close()


def version_of(made):
    """Return the version by which a provider's next operation goes."""

    def ask():
        with made.channel.session() as client:
            client.list_users()
            return str(client.version())

    return retry_idempotent(ask)


def test_version_after_rollout_is_asked_again(api, forward):
    """Deleting a user on 0.28 takes everybody's keys with it, and a key's id is another field of the call."""
    made = provider(RolloutProvider, api)
    before = version_of(made)

    with FakeHeadscale("0.28") as new:
        forward.replace(new)
        made.update("id", {**NEWS, "template": "old"}, NEWS)

        assert (before, version_of(made)) == ("0.27", "0.28")
        assert "ListUsers" in new.calls
