"""What the health endpoint answers, by real sockets."""

import contextlib
import http.client
import socket
import time
from functools import partial

import pytest

from headscale_sidecar import health
from headscale_sidecar.health import Health


@pytest.fixture
def served(serving):
    def start(state=None, **fields):
        service = serving(partial(health.serve, health=state or Health(ready=True)), **{"seconds": 2.0, **fields})
        return service.listener.getsockname()

    return start


def get(address, path="/readyz"):
    host, port = address
    connection = http.client.HTTPConnection(host, port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def raw(address, request):
    with socket.create_connection(address, 5) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
    return answer


def test_each_path_has_its_answer(served):
    address = served(Health(not_ready_reason="starting"))

    assert get(address) == (503, "not ready: starting\n")
    assert get(address, "/healthz?verbose") == (200, "ok\n")
    assert get(address, "/metrics")[1].startswith("# TYPE headscale_sidecar_ready gauge\n")
    assert get(address, "/")[0] == 404


def test_the_length_of_an_answer_counts_bytes(served):
    reason = "Secret “key” gehört uns nicht — ключ"
    address = served(Health(not_ready_reason=reason))

    assert get(address) == (503, f"not ready: {reason}\n")
    head, _, body = raw(address, b"GET /readyz HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


def test_reason_without_valid_unicode_is_answered(served):
    assert get(served(Health(not_ready_reason="file \udcff"))) == (503, "not ready: file \\udcff\n")


MALFORMED = {
    "no path": (b"GET\r\n\r\n", b"HTTP/1.1 400 "),
    "no version": (b"GET /readyz\r\n\r\n", b"HTTP/1.1 400 "),
    "no text": (b"\xff\xfe\x00\r\n\r\n", b"HTTP/1.1 400 "),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "too long": (b"GET /" + b"x" * 100_000, b"HTTP/1.1 400 "),
    "another method": (b"POST /readyz HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 405 "),
    "cut off": (b"GET /readyz HTTP/1.1\r\nHost:", b""),
    "nothing": (b"", b""),
}


@pytest.mark.parametrize(("request_", "answer"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_ends_nothing(served, request_, answer):
    address = served()

    received = raw(address, request_)

    assert received.startswith(answer)
    assert bool(received) == bool(answer)
    assert get(address) == (200, "ok\n")


def test_a_request_byte_by_byte_is_answered(served):
    with socket.create_connection(served(), 5) as client:
        for byte in b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.005)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_slow_and_idle_clients_hold_up_no_probe(served):
    address = served(most=64)
    with contextlib.ExitStack() as clients:
        slow = [clients.enter_context(socket.create_connection(address, 5)) for _ in range(300)]
        for number, client in enumerate(slow):
            # Those that are closed already, for there are too many, refuse it.
            with contextlib.suppress(OSError):
                client.sendall((b"", b"G", b"GET /readyz HTTP/1.1\r\nHost: ", b"\0")[number % 4])
        for _ in range(20):
            begun = time.monotonic()
            assert get(address) == (200, "ok\n")
            assert time.monotonic() - begun < 1


def test_slow_client_is_closed_in_time(served):
    with socket.create_connection(served(seconds=0.5), 5) as client:
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 5:
                client.sendall(b"x")
                time.sleep(0.02)
        assert time.monotonic() - begun < 3


def test_an_answered_client_that_stays_is_closed(served):
    with socket.create_connection(served(seconds=0.5), 5) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        while client.recv(4096):
            pass


def test_hanging_loop_is_not_healthy():
    state = Health(last_loop_at=time.monotonic() - 400)

    status, text = state.answer("/healthz")

    assert (status, text) == (503, "the loop has not turned for 400 s\n")


def test_a_broken_relay_is_not_healthy():
    broken = []
    state = Health(checks=[lambda: "", lambda: "".join(broken)])
    assert state.answer("/healthz") == (200, "ok\n")

    broken.append("the relay accepts no connection")

    assert state.answer("/healthz") == (503, "the relay accepts no connection\n")
