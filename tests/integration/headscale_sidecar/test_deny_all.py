"""No Headscale with a new database stays open: the sidecar stores a policy that denies everything, on real ones."""

import contextlib
import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass

import pytest

from headscale_core.policy.deny_all import DENY_ALL
from headscale_core.policy.lifecycle import create, stored
from tests.integration.conftest import VERSIONS, RunningHeadscale, binary, free_port
from tests.integration.sidecars import Sidecar, eventually

OPEN = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'


@dataclass
class Watched(RunningHeadscale):
    """A headscale process whose packet filter can be read."""

    metrics_port: int = 0

    def filter(self):
        """Return the rules that it compiles from its policy for nodes; the debug endpoint is on the metrics port."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.metrics_port}/debug/filter", headers={"Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def shown_policy(self):
        """Return what its own command line shows to a person."""
        command = [binary(self.version), "--config", str(self.directory / "config.yaml"), "policy", "get"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def serve(tmp_path):
    """Run headscale: takes its version and settings, and returns it."""
    with contextlib.ExitStack() as ends:

        def start(version, **settings):
            port = free_port()
            settings = {"metrics_listen_addr": f"127.0.0.1:{port}", **settings}
            server = Watched(version, tmp_path, settings=settings, metrics_port=port)
            server.start()
            ends.callback(server.stop)
            return server

        yield start


@pytest.fixture
def sidecar_of(api_server, certificate):
    """Run the sidecar of a headscale until it is ready: takes settings, and returns it."""
    with contextlib.ExitStack() as ends:

        def start(headscale, **settings):
            sidecar = Sidecar(headscale, api_server, certificate, **settings)
            sidecar.start()
            ends.callback(end, sidecar)
            return sidecar

        yield start


def end(sidecar):
    sidecar.kill()
    sidecar.process.wait()


def ready(sidecar):
    eventually("ready", lambda: sidecar.says("/readyz"))
    return sidecar


def policy_of(headscale):
    with headscale.client() as client:
        return stored(client)


@pytest.mark.parametrize("version", VERSIONS)
def test_new_database_denies_everything_until_a_policy_comes(serve, sidecar_of, version):
    headscale = serve(version)
    assert headscale.filter(), "Headscale is closed by itself: the sidecar need not close it"

    ready(sidecar_of(headscale))

    assert policy_of(headscale) == DENY_ALL
    assert not headscale.filter()
    assert headscale.shown_policy().strip() == DENY_ALL.strip()
    with headscale.client() as client:
        create(client, OPEN, overwrite=False)
    assert headscale.filter()


@pytest.mark.parametrize("version", VERSIONS)
def test_database_stays_closed_after_a_restart(serve, sidecar_of, version):
    headscale = serve(version)
    end(ready(sidecar_of(headscale)))
    headscale.stop()
    headscale.start()

    assert not headscale.filter()


@pytest.mark.parametrize("version", VERSIONS)
def test_stored_policy_survives_the_sidecar(serve, sidecar_of, version):
    headscale = serve(version)
    with headscale.client() as client:
        client.set_policy(OPEN)

    ready(sidecar_of(headscale))

    assert policy_of(headscale) == OPEN


@pytest.mark.parametrize("version", VERSIONS)
def test_policy_of_others_is_waited_for_openly(serve, sidecar_of, version):
    headscale = serve(version)

    ready(sidecar_of(headscale, OPEN_WITHOUT_POLICY="true"))

    assert policy_of(headscale) == ""


@pytest.mark.parametrize("text", [OPEN, "", None], ids=["with rules", "empty", "no file"])
@pytest.mark.parametrize("version", VERSIONS)
def test_file_mode_gets_no_policy(serve, sidecar_of, tmp_path, version, text):
    policy = {"mode": "file"}
    if text is not None:
        file = tmp_path / "policy.hujson"
        file.write_text(text)
        policy["path"] = str(file)
    headscale = serve(version, policy=policy)
    before = headscale.filter()

    sidecar = ready(sidecar_of(headscale))

    assert headscale.filter() == before
    assert "stored a policy" not in sidecar.log.read_text()
    assert text is None or file.read_text() == text


@pytest.mark.parametrize("version", VERSIONS)
def test_change_to_database_mode_is_closed(serve, sidecar_of, version, tmp_path):
    headscale = serve(version, policy={"mode": "file"})
    end(ready(sidecar_of(headscale)))
    headscale.stop()
    headscale.settings["policy"] = {"mode": "database"}
    headscale.start()
    assert headscale.filter()

    ready(sidecar_of(headscale))

    assert not headscale.filter()


@pytest.mark.parametrize("version", VERSIONS)
def test_policy_cleared_by_hand_is_closed_on_restart(serve, sidecar_of, version):
    headscale = serve(version)
    with headscale.client() as client:
        client.set_policy(OPEN)
    first = ready(sidecar_of(headscale))
    with headscale.client() as client:
        client.set_policy("")
    assert policy_of(headscale) == ""
    end(first)

    ready(sidecar_of(headscale))

    assert policy_of(headscale) == DENY_ALL


@pytest.mark.parametrize("version", VERSIONS)
def test_late_headscale_is_closed_within_a_second(serve, sidecar_of, version):
    """The sidecar waits for it: no node has the time to join and to get a map in which everything is allowed."""
    headscale = serve(version)
    headscale.stop()
    sidecar = sidecar_of(headscale)
    time.sleep(3)
    begun = time.monotonic()
    headscale.start()
    answered = time.monotonic()

    eventually("closed", lambda: policy_of(headscale) == DENY_ALL)

    print(f"{version}: answered after {answered - begun:.3f} s, closed {time.monotonic() - answered:.3f} s later")
    assert time.monotonic() - answered < 1
    ready(sidecar)


def test_closing_is_tried_again_until_headscale_answers(serve, sidecar_of, api_server):
    headscale = serve("0.29")
    headscale.stop()
    sidecar = sidecar_of(headscale)
    event = eventually("an Event", lambda: api_server.events[:1], 30)[0]
    assert event["reason"] == "Unreachable"
    assert sidecar.answer("/readyz")[1].startswith("not ready: GetPolicy on Headscale at ")
    assert sidecar.says("/healthz")

    headscale.start()

    eventually("closed", lambda: policy_of(headscale) == DENY_ALL, 5)
    ready(sidecar)
