"""`make up`, `make status` and `make down` on a person's own cluster; pulumi and kubectl record their arguments.

Each runs in a process of its own, as people run it: where the lab's files are is decided when it starts.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import sidecar_image

from .conftest import calls, program

REPOSITORY = Path(__file__).parents[3]
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
NODES = {
    "items": [
        {
            "metadata": {"name": "dev-control-plane", "labels": {}},
            "spec": {"providerID": "kind://docker/dev/dev-control-plane"},
            "status": {"nodeInfo": {"bootID": BOOT}, "images": []},
        }
    ]
}
OUTPUTS = {
    "vpn": {
        "namespace": "headscale",
        "service": "vpn",
        "serverUrl": "http://127.0.0.1:16080",
        "preAuthKeySecrets": {},
        "apiKeySecret": None,
    }
}
KUBECTL = """
case "$*" in
  "auth can-i"*) echo yes ;;
  "get nodes"*) cat {folder}/nodes.json ;;
  "get namespace kube-system"*) echo '{{"metadata": {{"uid": "'$(cat {folder}/uid)'"}}}}' ;;
  "get pod"*) echo '{{"status": {{"containerStatuses": [{{"ready": true}}]}}}}' ;;
  "get --raw /version"*) echo '{{"gitVersion": "v1.33.4"}}' ;;
  exec*) echo '[]' ;;
esac
"""
PULUMI = """
case "$*" in
  version) echo v3.246.0 ;;
  "stack output"*) cat {folder}/outputs.json ;;
esac
"""


class Machine:
    """A person's machine: a checkout, official tools on PATH, and a kind cluster by KUBECONFIG."""

    def __init__(self, folder):
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.repository = folder / "checkout"
        for name in ("lab", "images", "stacks", "headscale_component", *sidecar_image._PACKAGES):
            shutil.copytree(REPOSITORY / name, self.repository / name, ignore=shutil.ignore_patterns("*.own.yaml"))
        for name in sidecar_image._LEGAL:
            shutil.copy(REPOSITORY / name, self.repository / name)
        self.state = folder / "state"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump({"current-context": "kind-dev", "contexts": [{"name": "kind-dev"}]}))
        (self.programs / "nodes.json").write_text(json.dumps(NODES))
        (self.programs / "outputs.json").write_text(json.dumps(OUTPUTS))
        (self.programs / "uid").write_text("one")
        program(self.programs, "kubectl", KUBECTL.format(folder=self.programs))
        program(self.programs, "pulumi", PULUMI.format(folder=self.programs))
        program(self.programs, "docker", 'if [ "$1" = save ]; then echo saved > "$3"; fi')
        for name in ("pulumi-language-python", "pulumi-resource-kubernetes", "kind", "tailscale", "tailscaled"):
            program(self.programs, name)
        self.environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "HOME": str(folder),
            "KUBECONFIG": str(self.kubeconfig),
            "XDG_STATE_HOME": str(self.state),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def lab(self, verb, **environment):
        # Not as root: the lab's own builder is for the lab's own cluster here.
        code = "import os, sys; os.geteuid = lambda: 1000; from lab.__main__ import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, verb],
            cwd=self.repository,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def own_file(self):
        return self.repository / "stacks" / "Pulumi.own.yaml"


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_up_loads_image_and_configures_own_stack(machine):
    lab_file = (machine.repository / "stacks" / "Pulumi.lab.yaml").read_text()

    run = machine.lab("up")

    assert run.returncode == 0, run.stderr
    (loaded,) = calls(machine.programs, "kind")
    assert loaded.startswith("load image-archive ")
    (setting,) = [call for call in calls(machine.programs, "pulumi") if call.startswith("config set")]
    path, image = setting.split()[3:5]
    assert path == "headscale:instances.vpn.apiKey.managerImage"
    assert any(f" -t {image} " in call for call in calls(machine.programs, "docker"))
    assert "up --yes --skip-preview --stack own --non-interactive" in calls(machine.programs, "pulumi")
    assert (machine.repository / "stacks" / "Pulumi.lab.yaml").read_text() == lab_file
    assert machine.own_file.exists()


def test_up_prints_cluster_versions_and_address(machine):
    run = machine.lab("up")

    assert f"cluster: yours, by KUBECONFIG={machine.kubeconfig}, context kind-dev\n" in run.stderr
    assert "  engine: pulumi v3.246.0 (official, installed)\n" in run.stderr
    assert "  cluster: Kubernetes v1.33.4\n" in run.stderr
    assert run.stdout == (
        "vpn: ready, http://127.0.0.1:16080 (through `kubectl port-forward service/vpn 16080:http "
        "--namespace headscale --address 127.0.0.1`)\n"
    )


def test_up_on_another_cluster_is_refused(machine):
    assert machine.lab("up").returncode == 0
    (machine.programs / "uid").write_text("two")

    run = machine.lab("up")

    assert run.returncode == 1
    assert "error: the stack `own` is deployed on another cluster than the one" in run.stderr
    assert len([call for call in calls(machine.programs, "pulumi") if call.startswith("up ")]) == 1


def test_up_without_image_delivery_deploys_nothing(machine):
    (machine.programs / "kind").unlink()

    run = machine.lab("up")

    assert run.returncode == 1
    assert "it is kind, and `kind` is not on PATH" in run.stderr
    assert not [call for call in calls(machine.programs, "pulumi") if call.startswith("up ")]


def test_up_pushes_to_the_registry_that_is_named(machine):
    run = machine.lab("up", IMAGE_REGISTRY="registry.example.com/team")

    assert run.returncode == 0, run.stderr
    pushed = calls(machine.programs, "docker")[-1].split()
    assert pushed[0] == "push"
    assert pushed[1].startswith("registry.example.com/team/headscale-sidecar:0.1.0-")
    assert any(f"managerImage {pushed[1]} " in call for call in calls(machine.programs, "pulumi"))


def test_down_removes_what_up_made(machine):
    machine.lab("up")
    assert list(machine.state.rglob("cluster"))

    run = machine.lab("down")

    assert run.returncode == 0, run.stderr
    assert calls(machine.programs, "pulumi")[-2:] == [
        "destroy --yes --skip-preview --stack own --non-interactive",
        "stack rm --yes --preserve-config --stack own --non-interactive",
    ]
    assert not machine.own_file.exists()
    assert not list(machine.state.rglob("*/*"))


@pytest.mark.parametrize("verb", ["up", "status", "join", "down"])
@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        ("no file", "there is no such file"),
        ("no context", "has no current-context"),
        ("no rights", "its user may not create namespaces"),
    ],
)
def test_each_verb_names_the_kubeconfigs_fault(machine, verb, fault, messages):
    if fault == "no file":
        machine.kubeconfig.unlink()
    elif fault == "no context":
        machine.kubeconfig.write_text("contexts: [{name: kind-dev}]")
    else:
        program(machine.programs, "kubectl", "echo no")

    run = machine.lab(verb)

    assert run.returncode == 1
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert messages in line
    assert "Traceback" not in run.stderr
