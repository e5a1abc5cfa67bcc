"""The lab's stack: deployed, shown, joined and destroyed with the same commands that users run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from headscale_core.keys.annotations import EXPIRES_AT
from lab import (
    cluster,
    demo_node,
    images,
    kubeconfig,
    own_deployment,
    packages,
    port_forward,
    pulumi,
    tools,
    versions,
)
from lab.commands import STACK, kubectl_json, run_pulumi
from lab.instance import Instance, instances
from lab.progress import LabError, say, step
from lab.state import CACHE, own_cluster

_ONLINE_IN_SECONDS = 30.0
_DEMO_KEY = "demo-key"


def prepare() -> None:
    """Create the cluster and load the images, and deploy nothing: what tests begin with."""
    _make_cluster()
    if own_cluster():
        own_deployment.load_default_image()


def up() -> None:
    """Deploy the stack and print its status."""
    say("1/2 the cluster")
    _make_cluster()
    if own_cluster():
        own_deployment.prepare()
    say(f"2/2 the stack: pulumi up --stack {STACK}")
    run_pulumi("stack", "select", "--create", STACK)
    run_pulumi("up", "--yes", "--skip-preview", "--stack", STACK, shown=True)
    status()
    say("\nnext:")
    say("  make join                      join a demo node with the key of a Secret")
    say('  eval "$(make -s shell-env)"    use your own pulumi, kubectl and tailscale on it')
    say("  make down                      remove all of it")


def down() -> None:
    """Destroy the stack, and remove the cluster if it is the lab's."""
    demo_node.stop()
    port_forward.stop()
    if own_cluster():
        own_deployment.down()
        return
    cluster.down()
    say(f"the lab's cache stays in {CACHE}; it may be deleted")
    if installed := " ".join(packages.installed_by_lab()):
        say(f"so do the Debian packages that it installed: {installed} (`apt-get remove {installed}` removes them)")


def _make_cluster() -> None:
    """Create the lab's cluster and its images, or check access to the user's own; print the versions in use."""
    say(pulumi.describe())
    tools.path("pulumi" if not pulumi.is_official() else "kubectl")
    if own_cluster():
        context = kubeconfig.check_access()
        say(f"cluster: yours, by KUBECONFIG={kubeconfig.environment()['KUBECONFIG']}, context {context}")
    else:
        cluster.up()
        images.make()
    for line in versions.lines():
        say(f"  {line}")


def status() -> None:
    """Print what runs, where, and when keys expire; no secrets."""
    _check_own()
    for instance in instances():
        home = instance.namespace
        pod = kubectl_json("get", "pod", f"{instance.name}-0", "-n", home)
        ready = all(container["ready"] for container in pod["status"].get("containerStatuses", []))
        print(f"{instance.name}: {'ready' if ready else 'not ready'}, {instance.way}")
        for user in instance.headscale("users", "list"):
            print(f"  user {user['name']} (id {user['id']})")
        for key, secret in instance.outputs["preAuthKeySecrets"].items():
            notes = kubectl_json("get", "secret", secret, "-n", home)["metadata"]["annotations"]
            print(f"  preauth key {key}: Secret {home}/{secret}, until {notes[EXPIRES_AT]}")
        if name := instance.outputs.get("apiKeySecret"):
            until = instance.secret(name)["expiration"]
            print(f"  API key: Secret {home}/{name}, until {until}, rotated by the sidecar")
        for node in instance.headscale("nodes", "list"):
            print(f"  node {node['given_name']} ({', '.join(node['ip_addresses'])})")


def join() -> None:
    """Join a demo node with the key of a Secret, and show it in Headscale's own list."""
    _check_own()
    instance = instances()[0]
    secret = instance.outputs["preAuthKeySecrets"].get(_DEMO_KEY)
    if not secret:
        raise LabError(f"the stack has no preauth key `{_DEMO_KEY}`", "declare one under `preAuthKeys`")
    key = instance.secret(secret)["key"]
    if own_cluster() and port_forward.is_needed(instance.address):
        with step(f"forwarding {instance.address} to Service {instance.namespace}/{instance.service}"):
            port_forward.start(instance.namespace, instance.service, instance.address)
    with step(f"joining {demo_node.NAME} at {instance.address} with the key of Secret {instance.namespace}/{secret}"):
        demo_node.join(instance.address, key)
        nodes = _nodes_once_online(instance)
    for found in nodes:
        online = "online" if found.get("online") else "offline"
        print(f"{found['given_name']}  {', '.join(found['ip_addresses'])}  {online}")


def _nodes_once_online(instance: Instance) -> list[dict[str, Any]]:
    """Return Headscale's nodes when the demo node is online; it takes a moment to open its map stream."""
    deadline = time.monotonic() + _ONLINE_IN_SECONDS
    while True:
        nodes: list[dict[str, Any]] = instance.headscale("nodes", "list")
        joined = [found for found in nodes if found["given_name"].startswith(demo_node.NAME)]
        if any(found.get("online") for found in joined) or time.monotonic() >= deadline:
            return nodes
        time.sleep(0.5)


def _check_own() -> None:
    if own_cluster():
        kubeconfig.check_access()


def shell_env() -> None:
    """Print the exports with which the user's own commands work on the lab."""
    variables = pulumi.environment()
    folders = dict.fromkeys(str(tools.path(name).parent) for name in ("kubectl", "tailscale"))
    folders[str(Path(sys.executable).parent)] = None
    variables["PATH"] = ":".join([*variables.get("PATH", "$PATH").split(":")[:1], *folders, "$PATH"])
    for name, value in sorted(variables.items()):
        print(f'export {name}="{value}"')
    print(f'alias tailscale="tailscale --socket={demo_node.socket()}"')
