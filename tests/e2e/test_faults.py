"""Faults: each is named in the error, and the next update repairs it."""

import random

import pytest

from .conftest import an_instance

NAMESPACE = "e2e-faults"


def declared(**changes):
    return {
        "vpn": an_instance(
            NAMESPACE,
            users={name: {} for name in ("alice", "bob", "carol")},
            preAuthKeys={f"{name}-key": {"user": name, "expiration": "24h"} for name in ("alice", "bob", "carol")},
            **changes,
        )
    }


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(**declared())
    return stack


def test_update_killed_ten_times_creates_no_duplicates(stack, cluster):
    chance = random.Random(20261124)
    for _ in range(10):
        stack.killed_up(chance.uniform(1.5, 9))
    stack.up()

    users = cluster.headscale("vpn", NAMESPACE, "users", "list")
    keys = cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")
    assert sorted(user["name"] for user in users) == ["alice", "bob", "carol"]
    assert sorted(key["user"]["name"] for key in keys) == ["alice", "bob", "carol"]
    for name in ("alice", "bob", "carol"):
        prefix = cluster.secret(f"{name}-key", NAMESPACE)["key"][:23]
        assert [key["user"]["name"] for key in keys if key["key"].startswith(prefix)] == [name]
    stack.preview("--expect-no-changes")


def test_crash_loop_reports_pod_log_next_up_repairs(stack, cluster):
    # A DERP map that cannot be fetched, which only shows when Headscale starts.
    derp = {"urls": ["http://127.0.0.1:9/map"], "server": {"enabled": True}}
    stack.declare(**declared(config={"derp": derp}, readyTimeout="25s"))
    broken = stack.up(check=False)
    stack.declare(**declared())
    stack.up()

    output = broken.stdout + broken.stderr
    assert broken.returncode != 0
    assert "vpn-0" in output
    assert "CrashLoopBackOff" in output or "exit code 1" in output


def test_unreachable_cluster_is_named(stack, unreachable_kubeconfig):
    changed = declared()
    changed["vpn"]["users"]["dave"] = {}
    stack.declare(**changed)

    run = stack.up(check=False, KUBECONFIG=str(unreachable_kubeconfig))

    stack.declare(**declared())
    assert run.returncode != 0
    assert "cluster" in run.stdout + run.stderr
    assert "unreachable" in run.stdout + run.stderr


def test_stopped_headscale_is_named_next_up_repairs(stack, cluster):
    cluster.kubectl("scale", "statefulset", "vpn", "-n", NAMESPACE, "--replicas=0")
    changed = declared()
    changed["vpn"]["users"]["dave"] = {}
    stack.declare(**changed)

    run = stack.up(check=False)

    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert "pod" in output
    assert "vpn-0" in output
    cluster.kubectl("scale", "statefulset", "vpn", "-n", NAMESPACE, "--replicas=1")
    cluster.kubectl("rollout", "status", "statefulset/vpn", "-n", NAMESPACE, "--timeout=90s")
    stack.up()
    assert "dave" in stack.output("vpn")["users"]
