"""The process that closes a Headscale which has no policy, on fake ones of every version."""

import os
import threading

import grpc
import pytest

from headscale_core.policy.deny_all import DENY_ALL
from headscale_core.policy.lifecycle import PolicyError, create
from headscale_core.values import hujson
from headscale_sidecar import deny_all
from tests.fakes.headscale import FakeHeadscale
from tests.fakes.headscale_fixtures import VERSIONS

OPEN = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'
NO_FILE = 'reading policy from path "": open : no such file or directory'
DISABLED = "update is disabled for modes other than 'database'"


@pytest.fixture(params=VERSIONS)
def headscale(request):
    with FakeHeadscale(request.param) as server:
        yield server


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the process on a socket, and return its exit code and what it says."""

    def run_on(socket_path, wait_seconds=5.0):
        settings = {"POD_NAMESPACE": "headscale", "INSTANCE": "vpn", "SECRET_NAME": "key", "SOCKET_PATH": socket_path}
        monkeypatch.setattr(os, "environ", {**os.environ, **settings})
        monkeypatch.setattr(deny_all, "_WAIT_SECONDS", wait_seconds)
        code = deny_all.main()
        events = capsys.readouterr()
        return code, events.out, events.err

    return run_on


def file_mode(headscale, text):
    """Have a Headscale read its policy from a file: a text, None where it has none."""
    if text is not None:
        headscale.database.policy = text
    refusals = {"SetPolicy": DISABLED, **({"GetPolicy": NO_FILE} if text is None else {})}
    headscale.refuse = lambda method: (grpc.StatusCode.UNKNOWN, refusals[method]) if method in refusals else None


def test_new_database_is_closed(headscale, run):
    assert run(headscale.socket_path) == (0, "stored", "")

    assert headscale.database.policy == DENY_ALL


def test_deny_all_is_an_empty_list_of_rules():
    """A document without `acls` denies everything in 0.26, and allows everything from 0.27 on."""
    assert hujson.parse(DENY_ALL) == {"acls": []}


def test_cleared_policy_is_closed(headscale, run):
    headscale.database.policy = ""

    assert run(headscale.socket_path)[:2] == (0, "stored")
    assert headscale.database.policy == DENY_ALL


@pytest.mark.parametrize("stored", [OPEN, "{}", DENY_ALL])
def test_stored_policy_is_left_alone(headscale, run, stored):
    headscale.database.policy = stored

    assert run(headscale.socket_path) == (0, "", "")
    assert (headscale.database.policy, "SetPolicy" in headscale.calls) == (stored, False)


@pytest.mark.parametrize("text", [OPEN, "", None], ids=["with a policy", "empty", "no file"])
def test_policy_file_is_left_alone(headscale, run, text):
    file_mode(headscale, text)

    assert run(headscale.socket_path) == (0, "", "")
    assert headscale.database.policy == text


@pytest.mark.parametrize("method", ["GetPolicy", "SetPolicy"])
def test_refused_call_is_reported_in_a_line(headscale, run, method):
    headscale.refuse = lambda called: (grpc.StatusCode.UNKNOWN, "database\nis locked") if called == method else None
    code, _, events = run(headscale.socket_path)

    assert (code, events.count("\n"), events.startswith("ServerFault: ")) == (1, 1, True)
    assert headscale.database.policy is None


def test_absent_headscale_is_reported_as_unreachable(run, tmp_path):
    code, _, events = run(str(tmp_path / "none.sock"), 0.1)

    assert (code, events.partition(":")[0]) == (1, "Unreachable")


def test_late_headscale_is_closed_at_once(run, tmp_path):
    """Headscale creates its socket as it begins to serve; the process waits for it, and has loaded gRPC by then."""
    with FakeHeadscale("0.29") as late:
        link = tmp_path / "h.sock"
        timer = threading.Timer(0.5, lambda: link.symlink_to(late.socket_path))
        timer.start()

        assert run(str(link)) == (0, "stored", "")
        timer.join()
        assert late.database.policy == DENY_ALL


def test_declared_policy_replaces_deny_all(headscale):
    headscale.database.policy = DENY_ALL
    with headscale.client() as client:
        assert create(client, OPEN, overwrite=False) == []

    assert headscale.database.policy == OPEN


def test_deny_all_of_a_person_is_not_replaced(headscale):
    headscale.database.policy = '{"acls": []}'

    with headscale.client() as client, pytest.raises(PolicyError):
        create(client, OPEN, overwrite=False)
