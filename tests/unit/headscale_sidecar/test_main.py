"""The sidecar as a process: what it starts, what its probes answer, how it ends, and what it writes into its log."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headscale_sidecar import __main__ as sidecar
from headscale_sidecar.health import Health
from headscale_sidecar.settings import settings_from

REPOSITORY = Path(__file__).parents[3]


def free_port():
    with socket.socket() as value:
        value.bind(("127.0.0.1", 0))
        return value.getsockname()[1]


@pytest.fixture
def environment(tmp_path):
    """Settings of a sidecar that finds neither an API server nor a Headscale, and leaves the policy to others."""
    return {
        "POD_NAMESPACE": "headscale",
        "INSTANCE": "vpn",
        "SECRET_NAME": "key",
        "SOCKET_PATH": str(tmp_path / "headscale.sock"),
        "SERVICE_ACCOUNT": str(tmp_path / "no-account"),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "RELAY_LISTEN": f"127.0.0.1:{free_port()}",
        "HEALTH_LISTEN": f"127.0.0.1:{free_port()}",
        "OPEN_WITHOUT_POLICY": "true",
    }


def get(environment, path):
    connection = http.client.HTTPConnection(environment["HEALTH_LISTEN"], timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


@contextlib.contextmanager
def running(environment):
    """Run the process, and wait until it answers and its loop has turned once."""
    command = [sys.executable, "-m", "headscale_sidecar"]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                if "starting" not in get(environment, "/readyz")[1]:
                    break
            assert time.monotonic() < deadline, "the sidecar does not answer"
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_sidecar_without_kubernetes_is_healthy_and_unready(environment):
    with running(environment):
        status, reason = get(environment, "/readyz")
        assert (status, get(environment, "/healthz")) == (503, (200, "ok\n"))

    assert reason.startswith(f"not ready: the service account in {environment['SERVICE_ACCOUNT']} cannot be read")


def test_relay_of_the_process_reaches_headscale(environment):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server, running(environment):
        server.bind(environment["SOCKET_PATH"])
        server.listen()
        host, _, port = environment["RELAY_LISTEN"].rpartition(":")
        with socket.create_connection((host, int(port)), 5) as client:
            client.sendall(b"question")
            peer, _ = server.accept()
            with contextlib.closing(peer):
                assert peer.recv(100) == b"question"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_at_once(environment, number):
    with running(environment) as process:
        process.send_signal(number)
        messages, _ = process.communicate(timeout=10)

    events = [json.loads(line)["event"] for line in messages.splitlines()]
    assert (process.returncode, events) == (0, ["failed", "ended"])


def test_wrong_settings_end_with_code_2(monkeypatch, capsys):
    monkeypatch.setattr(os, "environ", {})

    assert sidecar.main() == 2
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "the settings are wrong"
    assert "POD_NAMESPACE is required and missing" in line["error"]


def test_taken_port_ends_with_code_1(monkeypatch, capsys, environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {**environment, "RELAY_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        monkeypatch.setattr(os, "environ", variables)

        assert sidecar.main() == 1
    assert json.loads(capsys.readouterr().out)["event"] == "a port cannot be had"


def test_broken_relay_fails_the_health_of_the_process(environment):
    state = Health()
    services = sidecar._services(settings_from(environment), state)
    try:
        relay, probes = services
        assert (relay.name, probes.name, state.answer("/healthz")) == ("relay", "health endpoint", (200, "ok\n"))

        relay.broken_since, relay.broken_by = time.monotonic() - 3600, "no descriptor left"

        assert state.answer("/healthz") == (503, "the relay accepts no connection: no descriptor left\n")
    finally:
        for service in services:
            service.listener.close()


def test_probes_have_time_limit_and_relay_none(environment):
    services = sidecar._services(settings_from(environment), Health())
    for service in services:
        service.listener.close()

    assert [service.seconds for service in services] == [None, 5.0]


def test_full_disk_under_the_log_is_survived(monkeypatch):
    class Full:
        def write(self, _text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())

    sidecar._log("failed", error="x")
