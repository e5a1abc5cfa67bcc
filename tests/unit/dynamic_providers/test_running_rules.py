"""When an instance counts as stopped, by its StatefulSet and its pod."""

import pytest

from headscale_core.rollout.stopped import stop_reason

from .test_rollout_rules import container, pod

PULLED = container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}, ready=False)
CRASHED = container(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False)
SIDECAR = "apikey-manager"


def stateful_set(replicas=1):
    return {"metadata": {"namespace": "n", "name": "vpn"}, "spec": {"replicas": replicas}}


def going(ready=True):
    found = pod(container(), ready=ready)
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return found


STOPPED = {
    "scaled to 0": (0, None, "StatefulSet n/vpn is scaled to 0", False),
    "no pod": (1, None, "see `kubectl describe statefulset vpn -n n`", False),
    "going for good": (0, going(), "is being deleted", False),
    "restarted": (1, going(), "is being deleted", True),
    "no image": (1, pod(PULLED, ready=False), "ImagePullBackOff", True),
    "crashes": (1, pod(CRASHED, ready=False), "crashes", True),
    "starts": (1, pod(container(ready=False), ready=False), "runs and is not ready", True),
    "sidecar crashes": (
        1,
        pod(container(), {**CRASHED, "name": SIDECAR}, ready=False),
        "`apikey-manager` of pod headscale/vpn-0 crashes",
        True,
    ),
}


@pytest.mark.parametrize(("replicas", "found", "why", "may_start"), STOPPED.values(), ids=STOPPED)
def test_pod_that_does_not_run_is_stopped(replicas, found, why, may_start):
    stopped = stop_reason(stateful_set(replicas), found, needs_ready=False)

    assert why in stopped.why
    assert (stopped.replicas, stopped.may_start) == (replicas, may_start)


def test_ready_pod_is_not_stopped():
    assert stop_reason(stateful_set(), pod(container()), needs_ready=True) is None


def test_unready_sidecar_stops_only_what_needs_it():
    found = pod(container(), container(SIDECAR, ready=False), ready=False)

    assert stop_reason(stateful_set(), found, needs_ready=False) is None
    assert stop_reason(stateful_set(), found, needs_ready=True).may_start
