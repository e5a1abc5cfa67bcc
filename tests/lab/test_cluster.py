"""The lab's own cluster is hurt in the ways that happen, and mended by the command that people would run.

Begins with a lab that is up and leaves one that is up. Run as `make test-lab`, and first of what `make test` does with
the cluster, for it is not the same cluster afterwards.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import processes, stack
from lab.cluster import control, network
from lab.progress import LabError
from lab.state import PIDS, REPOSITORY, STATE, own_cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(own_cluster(), reason="the cluster is a person's own, and not to be hurt"),
]
IMAGE = "docker.io/headscale-component/pause:1"


@pytest.fixture(scope="module", autouse=True)
def _nobody_needs_it():
    with contextlib.suppress(LabError):
        assert not stack.instances(), "a stack is deployed on the lab; `make down` first: these tests take it away"


def lab(verb):
    command = [sys.executable, "-m", "lab", verb]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def kubectl(*arguments):
    run = control.kubectl(*arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def recorded(name):
    return int((PIDS / name).read_text().split()[0])


def a_pod_runs(name):
    kubectl("run", name, f"--image={IMAGE}", "--image-pull-policy=Never", "--restart=Never", "-n", "default")
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s", "-n", "default")
    return name


def test_a_part_that_died_is_started_again_and_pods_go_on():
    pod = a_pod_runs("before")
    before = kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}")
    for part in ("kubelet", "kube-scheduler", "kube-apiserver"):
        kill(recorded(part))
    time.sleep(1)
    assert not processes.running("kubelet")

    said = lab("prepare")

    assert "making it anew" not in said
    after = kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}")
    assert after == before
    kubectl("delete", "pod", a_pod_runs("after"), pod, "--timeout=60s", "-n", "default")


def test_a_lab_that_was_killed_with_all_its_pods_is_made_anew():
    a_pod_runs("stale")
    everything = {recorded(path.name) for path in PIDS.iterdir()} | {pid for pid, _ in control._processes()}
    for pid in everything:
        kill(pid)
    time.sleep(1)
    assert control.is_broken()

    said = lab("prepare")

    assert "making it anew" in said
    kubectl("delete", "pod", a_pod_runs("fresh"), "--timeout=60s", "-n", "default")


def test_down_leaves_nothing_and_the_next_up_works():
    a_pod_runs("last")
    assert control.leftovers()

    lab("down")

    assert control.leftovers() == []
    assert not STATE.exists()
    assert network.leftovers() == []
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    assert "KUBE" not in rules
    assert "CNI" not in rules
    assert str(STATE) not in Path("/proc/mounts").read_text()
    lab("prepare")
    kubectl("delete", "pod", a_pod_runs("again"), "--timeout=60s", "-n", "default")
