"""The sidecar's process under many and slow connections, from any pod or container that likes to open them."""

import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest

from headscale_core import HeadscaleClient
from tests.integration.sidecars import eventually

MOST_MEMORY_KB = 40 * 1024


@pytest.fixture
def sidecar(make_sidecar):
    sidecar = make_sidecar()
    sidecar.start()
    eventually("ready", lambda: sidecar.says("/readyz"))
    return sidecar


def process_says(sidecar, name):
    status = Path(f"/proc/{sidecar.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")))


def descriptors(sidecar):
    return len(list(Path(f"/proc/{sidecar.process.pid}/fd").iterdir()))


def relay_of(sidecar):
    host, _, port = sidecar.environment["RELAY_LISTEN"].rpartition(":")
    return host, int(port)


@contextlib.contextmanager
def crowd(address, number):
    with contextlib.ExitStack() as clients:
        yield [clients.enter_context(socket.create_connection(address, 10)) for _ in range(number)]


def dribble(clients):
    """Send one more byte by each client that is still connected."""
    for client in clients:
        with contextlib.suppress(OSError):
            client.send(b"G")


def test_probes_are_answered_within_a_second(sidecar):
    address = ("127.0.0.1", sidecar.health_port)
    slowest, peak = 0.0, 0
    with crowd(address, 300), crowd(address, 200) as slow, crowd(relay_of(sidecar), 100) as relayed:
        end = time.monotonic() + 7
        while time.monotonic() < end:
            dribble(slow)
            dribble(relayed)
            for path in ("/readyz", "/healthz"):
                begun = time.monotonic()
                assert sidecar.says(path) == "ok\n"
                slowest = max(slowest, time.monotonic() - begun)
            peak = max(peak, process_says(sidecar, "VmRSS"))

    print(f"slowest probe {slowest * 1000:.0f} ms, most memory {peak} kB")
    assert slowest < 1
    assert peak < MOST_MEMORY_KB
    assert process_says(sidecar, "Threads") <= 2


def test_the_relay_works_behind_idle_clients(headscale, sidecar):
    before = descriptors(sidecar)
    with crowd(relay_of(sidecar), 300), HeadscaleClient.over_relay(*relay_of(sidecar)) as client:
        assert client.create_user("alice").name == "alice"
        assert [user.name for user in client.list_users()] == ["alice"]
        assert process_says(sidecar, "VmRSS") < MOST_MEMORY_KB

    eventually("all closed", lambda: descriptors(sidecar) <= before)
    assert process_says(sidecar, "Threads") <= 2


def test_a_process_without_descriptors_recovers(headscale, sidecar):
    pid = sidecar.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # Fewer than are open.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with crowd(relay_of(sidecar), 3):
        eventually("logged", lambda: "cannot accept" in sidecar.log.read_text())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

    eventually("healthy", lambda: sidecar.says("/healthz"))
    eventually("ready", lambda: sidecar.says("/readyz"))
    with HeadscaleClient.over_relay(*relay_of(sidecar)) as client:
        assert client.list_users() == []
    assert sidecar.process.poll() is None


def test_restarted_headscale_is_relayed_again(headscale, sidecar):
    with HeadscaleClient.over_relay(*relay_of(sidecar)) as client:
        client.create_user("alice")
    headscale.stop()
    with crowd(relay_of(sidecar), 20) as clients:
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
    headscale.start()

    with HeadscaleClient.over_relay(*relay_of(sidecar)) as client:
        assert [user.name for user in client.list_users()] == ["alice"]
