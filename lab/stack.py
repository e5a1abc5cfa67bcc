"""The lab's stack: deployed, shown, joined and destroyed with the same commands that people use."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import cluster, images, packages, processes, pulumi, tools
from lab.progress import LabError, say, step
from lab.state import CACHE, REPOSITORY, STATE, kubeconfig, own_cluster
from lab.tailnode import TailNode

STACK = "lab"
_DEMO_KEY = "demo-key"
_DEMO_NODE = "demo-node"


@dataclass(frozen=True, slots=True)
class Instance:
    """What the stack says of one instance."""

    name: str
    outputs: dict[str, Any]

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.outputs["namespace"])

    @property
    def address(self) -> str:
        """Where this machine reaches it: the address of its Service."""
        service = kubectl_json("get", "service", str(self.outputs["service"]), "-n", self.namespace)
        return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"

    def secret(self, name: str) -> dict[str, str]:
        """Return a Secret in clear, for those who use it and do not show it."""
        data = kubectl_json("get", "secret", name, "-n", self.namespace).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def headscale(self, *arguments: str) -> Any:  # noqa: ANN401 - headscale's JSON
        """Run headscale's own command in the pod and return what it says."""
        out = kubectl(
            "exec",
            f"{self.name}-0",
            "-n",
            self.namespace,
            "-c",
            "headscale",
            "--",
            "headscale",
            *arguments,
            "-o",
            "json",
        )
        return json.loads(out) or []


def prepare() -> None:
    """Make sure of a cluster with the images in it, and nothing else: what tests begin with."""
    say(pulumi.describe())
    tools.path("pulumi" if not pulumi.is_official() else "kubectl")
    if own_cluster():
        say(f"cluster: yours, by KUBECONFIG={kubeconfig()}")
        return
    cluster.up()
    images.make()


def up() -> None:
    """Deploy the stack, and show what came of it."""
    say("1/2 the cluster")
    prepare()
    say("2/2 the stack: pulumi up")
    run_pulumi("stack", "select", "--create", STACK)
    run_pulumi("up", "--yes", "--skip-preview", "--stack", STACK, shown=True)
    status()
    say("\nnext:")
    say("  make join                      a demo node joins with the key of a Secret")
    say('  eval "$(make -s shell-env)"    your own pulumi, kubectl and tailscale work on it')
    say("  make down                      removes all of it")


def down() -> None:
    """Destroy the stack and, where the cluster is the lab's, the cluster and all its traces."""
    _demo_node().stop_recorded()
    if own_cluster():
        run_pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, shown=True)
        return
    cluster.down()
    say(f"of the lab there stays its cache, {CACHE}, which may be deleted")
    if installed := " ".join(packages.installed_by_lab()):
        say(f"and the Debian packages that it installed: {installed} (`apt-get remove {installed}` removes them)")


def status() -> None:
    """Print what runs, where, and when keys end; no secrets."""
    for instance in instances():
        home, serves = instance.namespace, instance.outputs["serverUrl"]
        pod = kubectl_json("get", "pod", f"{instance.name}-0", "-n", home)
        ready = all(container["ready"] for container in pod["status"].get("containerStatuses", []))
        print(f"{instance.name}: {'ready' if ready else 'not ready'}, {instance.address} (serves {serves})")
        for user in instance.headscale("users", "list"):
            print(f"  user {user['name']} (id {user['id']})")
        for key, secret in instance.outputs["preAuthKeySecrets"].items():
            notes = kubectl_json("get", "secret", secret, "-n", home)["metadata"]["annotations"]
            print(f"  preauth key {key}: Secret {home}/{secret}, until {notes['headscale-component/expires-at']}")
        if name := instance.outputs.get("apiKeySecret"):
            until = instance.secret(name)["expiration"]
            print(f"  API key: Secret {home}/{name}, until {until}, rotated by itself")
        for node in instance.headscale("nodes", "list"):
            print(f"  node {node['given_name']} ({', '.join(node['ip_addresses'])})")


def join() -> None:
    """Join a demo node with the key of a Secret, and show it in Headscale's own list."""
    instance = instances()[0]
    secret = instance.outputs["preAuthKeySecrets"].get(_DEMO_KEY)
    if not secret:
        raise LabError(f"the stack has no preauth key `{_DEMO_KEY}`", "declare one under `preAuthKeys`")
    node = _demo_node()
    with step(f"joining {_DEMO_NODE} at {instance.address} with the key of Secret {instance.namespace}/{secret}"):
        node.start_recorded()
        node.node.up(instance.address, instance.secret(secret)["key"], hostname=_DEMO_NODE)
    for found in instance.headscale("nodes", "list"):
        online = "online" if found.get("online") else "offline"
        print(f"{found['given_name']}  {', '.join(found['ip_addresses'])}  {online}")


def shell_env() -> None:
    """Print the exports with which a person's own commands work on the lab."""
    variables = pulumi.environment()
    folders = dict.fromkeys(str(tools.path(name).parent) for name in ("kubectl", "tailscale"))
    folders[str(Path(sys.executable).parent)] = None
    variables["PATH"] = ":".join([*variables.get("PATH", "$PATH").split(":")[:1], *folders, "$PATH"])
    for name, value in sorted(variables.items()):
        print(f'export {name}="{value}"')
    print(f'alias tailscale="tailscale --socket={_demo_node().node.socket}"')


def instances() -> list[Instance]:
    """Return the instances of the deployed stack."""
    outputs = json.loads(run_pulumi("stack", "output", "--json", "--stack", STACK))
    if not outputs:
        raise LabError("nothing is deployed", "run `make up`")
    return [Instance(name, its) for name, its in outputs.items()]


def run_pulumi(*arguments: str, shown: bool = False) -> str:
    """Run a command of Pulumi's in this repository.

    Args:
        arguments: The command.
        shown: Whether a person reads along.
    """
    command = ["pulumi", *arguments, "--non-interactive"]
    environment = {**os.environ, **pulumi.environment(), "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, check=False, capture_output=not shown)
    if run.returncode:
        said = "" if shown else f":\n{run.stdout}{run.stderr}"
        raise LabError(
            f"`pulumi {arguments[0]}` failed{said}", "mend what it says and run it again: it goes on where it stopped"
        )
    return run.stdout or ""


def kubectl(*arguments: str) -> str:
    """Run kubectl on the cluster in use.

    Raises:
        LabError: With what it says, when it fails.
    """
    command = [str(tools.path("kubectl")), f"--kubeconfig={kubeconfig()}", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"kubectl {' '.join(arguments[:3])}: {run.stderr.strip()}", "is the lab up? run `make up`")
    return run.stdout


def kubectl_json(*arguments: str) -> dict[str, Any]:
    """Return an object of the cluster."""
    found: dict[str, Any] = json.loads(kubectl(*arguments, "-o", "json"))
    return found


class _RecordedNode:
    """The demo node, as a process of the lab that `make down` ends."""

    def __init__(self) -> None:
        self.node = TailNode(STATE / _DEMO_NODE)

    def start_recorded(self) -> None:
        (STATE / _DEMO_NODE).mkdir(parents=True, exist_ok=True, mode=0o700)
        processes.start(_DEMO_NODE, self.node.daemon_command())
        self.node.wait()

    def stop_recorded(self) -> None:
        processes.stop(_DEMO_NODE)


def _demo_node() -> _RecordedNode:
    return _RecordedNode()
