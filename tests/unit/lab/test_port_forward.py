"""A port of this machine that leads to Headscale's Service; kubectl is a program that records and answers."""

import contextlib
import socket
import sys
import time

import pytest

from lab import port_forward, processes
from lab.progress import LabError

from .conftest import calls, program

_SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


@pytest.fixture
def url():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def forwards(fake_path, tmp_path, monkeypatch, url):
    """A kubectl that answers on the local port, as a Headscale behind it does; its calls are returned."""
    monkeypatch.setattr(processes, "PIDS", tmp_path / "pids")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")
    (tmp_path / "server.py").write_text(_SERVER)
    program(fake_path, "kubectl", f"exec {sys.executable} {tmp_path}/server.py {url.rpartition(':')[2]}")
    yield fake_path
    port_forward.stop()


@pytest.mark.parametrize(
    ("server_url", "is_needed"),
    [
        ("http://127.0.0.1:16080", True),
        ("http://localhost:8080", True),
        ("https://vpn.example.com", False),
        ("http://10.97.0.7:8080", False),
    ],
)
def test_port_is_forwarded_for_loopback_alone(server_url, is_needed):
    assert port_forward.is_needed(server_url) is is_needed


def test_start_forwards_the_service_until_stopped(forwards, url):
    port_forward.start("home", "vpn", url)

    port = url.rpartition(":")[2]
    assert calls(forwards, "kubectl") == [f"port-forward service/vpn {port}:http --namespace home --address 127.0.0.1"]
    assert processes.running(port_forward.NAME)
    port_forward.stop()
    assert not processes.running(port_forward.NAME)


def test_second_start_keeps_the_first(forwards, url):
    port_forward.start("home", "vpn", url)
    port_forward.start("home", "vpn", url)

    assert len(calls(forwards, "kubectl")) == 1


def test_forward_that_ended_is_started_again(forwards, url):
    port_forward.start("home", "vpn", url)
    processes._children[port_forward.NAME].kill()
    while processes.running(port_forward.NAME):
        time.sleep(0.01)

    port_forward.start("home", "vpn", url)

    assert len(calls(forwards, "kubectl")) == 2


def test_port_of_somebody_else_is_named(forwards, url):
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        other.listen()

        with pytest.raises(LabError, match="of this machine is in use"):
            port_forward.start("home", "vpn", url)

    assert calls(forwards, "kubectl") == []


def test_forward_that_fails_shows_why_at_once(forwards, url):
    program(forwards, "kubectl", 'echo "error: services \\"vpn\\" not found" >&2; exit 1')

    begun = time.monotonic()
    with pytest.raises(LabError, match="ended at once") as caught:
        port_forward.start("home", "vpn", url)

    assert 'services "vpn" not found' in caught.value.hint
    assert time.monotonic() - begun < 10
