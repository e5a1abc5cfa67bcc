"""The relay, by real sockets and without Headscale."""

import contextlib
import os
import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from headscale_sidecar import relay


@pytest.fixture
def server(tmp_path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(128)
        yield listener


@pytest.fixture
def relayed(serving, tmp_path):
    def start(**fields):
        return serving(partial(relay.serve, socket_path=str(tmp_path / "s")), **fields)

    return start


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def connect(service):
    return contextlib.closing(socket.create_connection(service.listener.getsockname(), 5))


def test_the_end_of_one_direction_is_passed_on(relayed, server):
    with connect(relayed()) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        peer, _ = server.accept()
        with contextlib.closing(peer):
            assert peer.recv(100) == b"question"
            assert peer.recv(100) == b""
            peer.sendall(b"answer")
        assert client.recv(100) == b"answer"
        assert client.recv(100) == b""


def test_megabytes_pass_whole_in_both_directions(relayed, server):
    data = os.urandom(8 << 20)
    with connect(relayed()) as client:
        peer, _ = server.accept()
        with contextlib.closing(peer):
            for source, target in ((client, peer), (peer, client)):
                thread = threading.Thread(target=source.sendall, args=(data,))
                thread.start()
                received = bytearray()
                while len(received) < len(data):
                    received += target.recv(1 << 16)
                thread.join()
                assert received == data


def test_stopped_headscale_closes_the_client(relayed):
    service = relayed()

    for _ in range(3):
        with connect(service) as client:
            assert client.recv(1) == b""


def test_connections_end_with_no_descriptor_left_open(relayed, server):
    service = relayed(most=64)
    before = descriptors()
    for end in ("client", "server", "both"):
        for _ in range(40):
            with connect(service) as client:
                client.sendall(b"x")
                peer, _ = server.accept()
                if end != "client":
                    peer.close()
                if end != "server":
                    client.close()
                peer.close()

    deadline = time.monotonic() + 5
    while descriptors() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert service.connections == {}


def test_idle_clients_do_not_close_the_relay(relayed, server):
    service, threads = relayed(most=16), threading.active_count()
    with contextlib.ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(connect(service))
            idle.callback(server.accept()[0].close)
        with connect(service) as client:
            client.sendall(b"word")
            peer, _ = server.accept()
            with contextlib.closing(peer):
                assert peer.recv(10) == b"word"
        assert len(service.connections) <= 16
        assert threading.active_count() == threads
