"""Many, slow and broken clients, by real sockets."""

import contextlib
import errno
import resource
import socket
import time
from typing import cast

import pytest

from headscale_sidecar import serving
from headscale_sidecar.serving import READ, EventLoop, Service, listen, send


def echo(client):
    return (client,), (_echo(client),)


def _echo(client):
    while True:
        yield client, READ
        data = client.recv(1024)
        if not data:
            return
        if data == b"fail":
            raise KeyError("a fault")
        yield from send(client, data)


@contextlib.contextmanager
def connected(service, number=1):
    with contextlib.ExitStack() as clients:
        address = service.listener.getsockname()
        yield [clients.enter_context(socket.create_connection(address[:2], 5)) for _ in range(number)]


def says(client, word=b"word"):
    client.sendall(word)
    return client.recv(100)


def eventually(what):
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_idle_clients_hold_up_nobody(serving):
    service = serving(echo)

    with connected(service, 200), connected(service) as (asks,):
        begun = time.monotonic()
        assert says(asks) == b"word"
        assert time.monotonic() - begun < 1
        assert len(service.connections) <= service.most


def test_one_too_many_closes_the_longest_idle(serving):
    service = serving(echo, most=3)

    with connected(service, 3) as (first, second, third):
        for client in (first, second, third, first):
            says(client)
        with connected(service) as (fourth,):
            assert says(fourth) == says(first) == says(third) == b"word"
            assert second.recv(1) == b""


def test_a_connection_past_its_time_is_closed(serving):
    service = serving(echo, seconds=0.2)

    with connected(service) as (client,):
        says(client)
        begun = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - begun < 2
    assert service.connections == {}


def test_a_fault_closes_its_own_connection_only(serving):
    logged = []
    service = serving(echo, log=lambda event, **fields: logged.append((event, fields["kind"])))

    with connected(service, 2) as (one, other):
        assert says(one, b"fail") == b""
        assert says(other) == b"word"
    assert logged == [("serving a client failed", "KeyError")]


def test_a_client_that_resets_is_forgotten(serving):
    service = serving(echo)

    with connected(service) as (client,):
        says(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    eventually(lambda: not service.connections)


def test_a_client_that_does_not_read_blocks_nobody(serving):
    def pour(client):
        return (client,), (send(client, b"x" * 50_000_000),)

    service = serving(pour)

    with connected(service), connected(service) as (reads,):
        received = 0
        while received < 50_000_000:
            received += len(reads.recv(1 << 20))


def test_no_descriptor_left_is_survived(serving):
    logged = []
    service = serving(echo, log=lambda event, **fields: logged.append(event))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as waits:
        # The next file descriptor is the last one.
        resource.setrlimit(resource.RLIMIT_NOFILE, (waits.fileno() + 1, hard))
        try:
            waits.connect(service.listener.getsockname())
            eventually(lambda: service.broken_by)
            assert service.broken_since
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waits.settimeout(5)
        assert says(waits) == b"word"
    eventually(lambda: service.broken_since is None)
    assert logged == ["cannot accept"], "once, not for each try"


class Listener:
    """A listener whose `accept` fails as given, before it works."""

    def __init__(self, errors):
        self.errors, self.real = errors, listen(("127.0.0.1", 0), 8)

    def __getattr__(self, name):
        return getattr(self.real, name)

    def accept(self):
        if self.errors:
            raise OSError(self.errors.pop(), "as given")
        return self.real.accept()


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EPERM])
def test_failed_accept_is_retried(serving, error):
    service = serving(echo, listener=Listener([error] * 3))

    with connected(service) as (client,):
        assert says(client) == b"word"
        assert service.listener.errors == []
        assert service.failure_reason() == ""


def test_accept_failing_for_long_is_a_failure(monkeypatch):
    listener = Listener([errno.EMFILE] * 50)
    service = Service("relay", cast("socket.socket", listener), echo, most=8)
    loop = EventLoop([service], lambda *_, **__: None)

    with contextlib.closing(listener.real), connected(service):
        loop.run_once()
        assert service.failure_reason() == ""
        monkeypatch.setattr(serving, "_BROKEN_SECONDS", 0.0)
        loop.run_once()
        assert service.failure_reason() == "the relay accepts no connection: [Errno 24] as given"


def test_failing_event_loop_continues(monkeypatch):
    lock = iter([ValueError("a fault"), ValueError("again"), KeyboardInterrupt()])
    logged = []
    loop = EventLoop([], lambda event, **fields: logged.append((event, fields["error"])))

    def run_once():
        raise next(lock)

    monkeypatch.setattr(loop, "run_once", run_once)

    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert logged == [("serving failed", "a fault"), ("serving failed", "again")]


@pytest.mark.parametrize("host", ["", "::"])
def test_no_host_listens_on_both_families(host):
    with contextlib.closing(listen((host, 0), 8)) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_host_is_listened_on_alone(host):
    with contextlib.closing(listen((host, 0), 8)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection((host, port), 5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), 5)


def test_a_node_without_ipv6_is_listened_on(monkeypatch):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)

    with contextlib.closing(listen(("", 0), 8)) as listener:
        assert listener.family == socket.AF_INET
        socket.create_connection(listener.getsockname(), 5).close()
