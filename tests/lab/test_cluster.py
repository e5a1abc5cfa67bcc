"""Processes of the lab's own cluster are killed, and the command that a user would run repairs it.

Begins with a lab that is up and leaves one that is up. Run as `make test-lab`, and first of what `make test` does with
the cluster, for it is not the same cluster afterwards.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import packages, processes, stack, tools
from lab.cluster import control, network
from lab.cluster.parts import PAUSE_IMAGE
from lab.progress import LabError
from lab.state import CACHE, KUBECONFIG, PIDS, REPOSITORY, STATE, own_cluster

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(own_cluster(), reason="KUBECONFIG names a cluster that is not the lab's"),
]


@pytest.fixture(scope="module", autouse=True)
def _no_stack_is_deployed():
    with contextlib.suppress(LabError):
        assert not stack.instances(), (
            "a stack is deployed on the lab: run `make down` first, for these tests remove the lab"
        )


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


def run_pod(name):
    kubectl("run", name, f"--image={PAUSE_IMAGE}", "--image-pull-policy=Never", "--restart=Never", "-n", "default")
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s", "-n", "default")
    return name


def test_killed_component_is_restarted_while_pods_run():
    pod = run_pod("before")
    before = kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}")
    for part in ("kubelet", "kube-scheduler", "kube-apiserver"):
        kill(recorded(part))
    time.sleep(1)
    assert not processes.running("kubelet")

    output = lab("prepare")

    assert "recreating it" not in output
    after = kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}{.status.containerStatuses[0].containerID}")
    assert after == before
    kubectl("delete", "pod", run_pod("after"), pod, "--timeout=60s", "-n", "default")


def test_lab_killed_with_all_pods_is_recreated():
    run_pod("stale")
    everything = {recorded(path.name) for path in PIDS.iterdir()} | {pid for pid, _ in control._processes()}
    for pid in everything:
        kill(pid)
    time.sleep(1)
    assert control.is_broken()

    output = lab("prepare")

    assert "recreating it" in output
    kubectl("delete", "pod", run_pod("fresh"), "--timeout=60s", "-n", "default")


@pytest.fixture
def foreign_chain():
    """A chain and a rule that another program adds while the lab runs, as Docker or fail2ban do."""
    chain = "F2B-LAB-TEST"
    iptables("-N", chain)
    iptables("-A", "INPUT", "-s", "192.0.2.7", "-j", chain)
    yield chain
    iptables("-D", "INPUT", "-s", "192.0.2.7", "-j", chain)
    iptables("-X", chain)


def iptables(*arguments):
    return subprocess.run(["iptables", *arguments], capture_output=True, text=True, check=True).stdout


def test_down_leaves_nothing_next_up_works(foreign_chain):
    run_pod("last")
    assert control.leftovers()

    output = lab("down")

    assert control.leftovers() == []
    assert not STATE.exists()
    assert network.leftovers() == []
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    assert "KUBE" not in rules
    assert "CNI" not in rules
    assert f"-A INPUT -s 192.0.2.7/32 -j {foreign_chain}" in rules
    assert str(CACHE) in output
    assert all(package in output for package in packages.installed_by_lab())
    assert str(STATE) not in Path("/proc/mounts").read_text()
    lab("prepare")
    kubectl("delete", "pod", run_pod("again"), "--timeout=60s", "-n", "default")


@pytest.mark.parametrize("storage_class", ["lab", "lab-immediate"])
def test_pvc_grows_on_expandable_storage_class(storage_class):
    claim = bound_pvc(storage_class)

    kubectl("patch", "pvc", claim, "-n", "default", "--patch", patch_to("2Gi"))

    size = "jsonpath={.status.capacity.storage}"
    kubectl("wait", f"pvc/{claim}", "--for", f"{size}=2Gi", "--timeout=30s", "-n", "default")
    volume = kubectl("get", "pvc", claim, "-n", "default", "-o", "jsonpath={.spec.volumeName}")
    assert kubectl("get", "pv", volume, "-o", "jsonpath={.spec.capacity.storage}") == "2Gi"
    assert "conditions" not in kubectl("get", "pvc", claim, "-n", "default", "-o", "jsonpath={.status}")
    about = f"--field-selector=involvedObject.name={claim},reason=VolumeResizeSuccessful"
    # The event follows the change that it reports.
    deadline = time.monotonic() + 15
    while "resized to 2Gi" not in kubectl(
        "get", "events", about, "-n", "default", "-o", "jsonpath={.items[*].message}"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    kubectl("delete", "pod,pvc", claim, "--ignore-not-found", "--timeout=60s", "-n", "default")
    kubectl("wait", f"pv/{volume}", "--for=delete", "--timeout=30s")


def test_pvc_growth_on_fixed_storage_class_is_refused():
    claim = bound_pvc("lab-fixed")

    run = control.kubectl("patch", "pvc", claim, "-n", "default", "--patch", patch_to("2Gi"))

    assert run.returncode
    assert "only dynamically provisioned pvc can be resized" in run.stderr
    kubectl("delete", "pod,pvc", claim, "--ignore-not-found", "--timeout=60s", "-n", "default")


def patch_to(size):
    return json.dumps({"spec": {"resources": {"requests": {"storage": size}}}})


def bound_pvc(storage_class):
    """Create a PVC, with a pod that uses it unless its class binds at once; both have the same name."""
    name = f"grows-{storage_class}"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [{"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    }
    objects = [claim] if storage_class == "lab-immediate" else [claim, pod]
    run = subprocess.run(
        [str(tools.path("kubectl")), f"--kubeconfig={KUBECONFIG}", "create", "-n", "default", "-f", "-"],
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    kubectl("wait", f"pvc/{name}", "--for", "jsonpath={.status.phase}=Bound", "--timeout=60s", "-n", "default")
    return name
