"""What keeps a pod from being ready, by its status alone."""

import pytest

from headscale_core.rollout.pod_status import pod_problem


def pod(*containers, phase="Running", **status):
    return {
        "metadata": {"namespace": "n", "name": "vpn-0"},
        "spec": {"containers": [{"name": "headscale"}, {"name": "sidecar"}]},
        "status": {"phase": phase, "containerStatuses": list(containers), **status},
    }


def container(name="headscale", *, ready=False, **state):
    return {"name": name, "ready": ready, "state": state}


PROBLEMS = {
    "evicted": (
        pod(phase="Failed", reason="Evicted", message="low on\n memory"),
        "pod n/vpn-0 is Failed: low on memory",
    ),
    "without a message": (pod(phase="Failed", reason="NodeLost"), "pod n/vpn-0 is Failed: NodeLost"),
    "without any status": ({**pod(), "status": {}}, "pod n/vpn-0 is Unknown"),
    "ended well": (
        pod(container(terminated={"exitCode": 0}), phase="Succeeded"),
        "pod n/vpn-0 is Succeeded",
    ),
    "unknown container": (
        pod(container("injected", running={}), container(ready=True, running={})),
        "container `injected` of pod n/vpn-0 runs and is not ready; see `kubectl logs vpn-0 -n n -c injected`",
    ),
}


@pytest.mark.parametrize(("found", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_pod_that_is_not_ready_says_why(found, problem):
    assert pod_problem(found) == problem


@pytest.mark.parametrize(("image", "hint"), [("localhost/headscale-sidecar:0.1.0", True), ("example.com/s:1", False)])
def test_local_image_not_pulled_says_how_to_load(image, hint):
    waiting = container("sidecar", waiting={"reason": "ErrImagePull", "message": "connection refused"})

    problem = pod_problem(pod({**waiting, "image": image}))

    assert problem.startswith("container `sidecar` of pod n/vpn-0 waits: ErrImagePull: connection refused")
    assert ("build it from images/sidecar/Dockerfile" in problem) is hint
    assert ("`apiKey.managerImage`" in problem) is hint
