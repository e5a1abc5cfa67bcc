"""The lab's cluster used as one of the user's own: only its kubeconfig is given, at another path.

The image is loaded into the node's containerd, Headscale is reached through a forwarded port, and `make down` leaves
the cluster as it was.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from lab import stack
from lab.progress import LabError
from lab.state import CACHE, KUBECONFIG, own_cluster

from .conftest import REPOSITORY, eventually

NAMESPACE = "headscale"
OWN_FILE = REPOSITORY / "stacks" / "Pulumi.own.yaml"
(README_BLOCK,) = [
    block
    for block in re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    if "KUBECONFIG" in block
]


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_deployed():
    if own_cluster():
        pytest.skip("the whole suite runs on a cluster of the user's own already")
    try:
        stack.instances()
    except LabError:
        return
    pytest.skip("the lab was up before the tests, which must not remove it: run `make down` first to test this")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A person's home folder, with a kubeconfig."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".kube").mkdir()
    shutil.copy(KUBECONFIG, folder / ".kube" / "config")
    return folder


@pytest.fixture(scope="module")
def variables(home):
    return {
        **os.environ,
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(CACHE.parent),
        "KUBECONFIG": str(home / ".kube" / "config"),
    }


def lab(verb, variables):
    run = subprocess.run(
        [sys.executable, "-m", "lab", verb], cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return run.stdout + run.stderr


@pytest.fixture(scope="module")
def output(variables, cluster):
    """The output of the README's `make up`; what it deployed is removed after the tests."""
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", README_BLOCK],
        cwd=REPOSITORY,
        env={name: value for name, value in variables.items() if name != "KUBECONFIG"},
        capture_output=True,
        text=True,
        check=False,
    )
    yield run.stdout + run.stderr
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")


def image_in_use(cluster):
    pod = cluster.get("pod", "vpn-0", NAMESPACE)
    return {value["image"] for kind in ("containers", "initContainers") for value in pod["spec"].get(kind, [])}


def test_up_delivers_the_image_and_prints_how(output, cluster):
    document = yaml.safe_load(OWN_FILE.read_text())
    image = document["config"]["headscale:instances"]["vpn"]["apiKey"]["managerImage"]

    # An earlier run on the same cluster may have loaded it.
    loaded = f"loading the sidecar's image {image} into containerd on this machine"
    assert loaded in output or "is on the cluster's nodes already" in output
    assert image in image_in_use(cluster)
    assert "cluster: Kubernetes v" in output


def test_reviewed_stack_file_is_not_changed(output):
    changed = subprocess.run(
        ["git", "diff", "--name-only", "stacks"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert changed.stdout == ""


def test_second_up_loads_and_changes_nothing(output, variables, cluster):
    image = yaml.safe_load(OWN_FILE.read_text())["config"]["headscale:instances"]["vpn"]["apiKey"]["managerImage"]
    # A node reports its images only at intervals.
    eventually("the node has the image", lambda: image in cluster.kubectl("get", "nodes", "-o", "json"), seconds=120)
    again = lab("up", variables)

    assert "is on the cluster's nodes already" in again
    assert re.search(r"\d+ unchanged", again)
    assert not re.search(r"\d+ (created|updated|replaced)", again)


def test_status_prints_how_headscale_is_reached(output, variables):
    assert "http://127.0.0.1:16080 (a port that `make join` forwards)" in lab("status", variables)


def test_demo_node_joins_through_the_forwarded_port(output, variables, cluster):
    joined = lab("join", variables)

    assert re.search(r"^demo-node .* online$", joined, re.MULTILINE)
    assert "http://127.0.0.1:16080 (a port that `make join` forwards)" in lab("status", variables)


def test_demo_node_reaches_the_relay(output, variables):
    alias = re.search(r"--socket=(\S+?)\"", lab("shell-env", variables))

    def status():
        run = subprocess.run(
            ["bash", "-c", f'eval "$({sys.executable} -m lab shell-env)"; tailscale --socket={alias[1]} status --json'],
            cwd=REPOSITORY,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(run.stdout)

    eventually("the node has its relay", lambda: status()["Self"]["Relay"] == "headscale")
    eventually(
        "the node reports no problem with its relay",
        lambda: not [value for value in status()["Health"] or [] if "relay" in value],
    )


def test_kubeconfig_list_is_accepted(output, variables, tmp_path):
    listed = f"{tmp_path}/missing:{variables['KUBECONFIG']}"
    run = subprocess.run(
        [sys.executable, "-m", "lab", "status"],
        cwd=REPOSITORY,
        env={**variables, "KUBECONFIG": listed, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    # Another KUBECONFIG has another stack, so there is none; but the cluster was reached.
    assert run.stderr.splitlines()[0] == "error: nothing is deployed"


def test_down_keeps_only_the_cluster(output, variables, cluster, home):
    down = lab("down", variables)

    assert not OWN_FILE.exists(), down
    assert not list((home / ".local" / "state").rglob("*/*"))
    assert not cluster.exists("statefulset", "vpn", NAMESPACE)
    assert cluster.kubectl("get", "nodes", "-o", "name").split() == ["node/lab"]
    processes = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False).stdout
    assert processes == ""
