"""What `make up` and `make down` do on the user's own cluster, besides running Pulumi."""

from __future__ import annotations

import shutil
from typing import Any

import yaml

from lab import delivery, kubeconfig, own_stack
from lab.commands import STACK, kubectl_json, run_pulumi
from lab.progress import LabError, say
from lab.sidecar_image import SIDECAR
from lab.state import STATE

_CLUSTER = STATE / "cluster"
"""File with the cluster that the stack is deployed on: the uid of its namespace `kube-system`."""


def load_default_image() -> None:
    """Load the sidecar's image under its default name, for tests that set no `managerImage`."""
    nodes = _nodes()
    try:
        delivery.load(nodes, SIDECAR)
    except LabError:
        if not delivery.has_image(nodes, SIDECAR):
            raise
        say(f"  {SIDECAR} is on the cluster's nodes; this command does not update it")


def prepare() -> None:
    """Write the stack file unless it exists, and load the sidecar's image into the cluster.

    Raises:
        LabError: When the stack is deployed on another cluster, or the image cannot be loaded.
    """
    _check_same_cluster()
    own_stack.write()
    _bring_image()


def down() -> None:
    """Destroy the stack, with what `make up` and `make join` left on this machine."""
    try:
        kubeconfig.check_access()
    except LabError as error:
        gone = f"if that cluster is gone for good, delete {STATE} and {own_stack.FILE}"
        raise LabError(str(error), gone) from None
    run_pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, shown=True)
    run_pulumi("stack", "rm", "--yes", "--preserve-config", "--stack", STACK)
    shutil.rmtree(STATE, ignore_errors=True)
    if not own_stack.remove():
        say(f"{own_stack.FILE} is kept: it was edited")


def _nodes() -> list[dict[str, Any]]:
    """Return the cluster's nodes; none where the user may not list them."""
    try:
        nodes: list[dict[str, Any]] = kubectl_json("get", "nodes")["items"]
    except LabError:
        return []
    return nodes


def _check_same_cluster() -> None:
    """Refuse to deploy the stack on another cluster than before: its state describes the other one."""
    try:
        uid = kubectl_json("get", "namespace", "kube-system")["metadata"]["uid"]
    except LabError:
        return
    if _CLUSTER.exists() and _CLUSTER.read_text() != uid:
        raise LabError(
            f"the stack `{STACK}` is deployed on another cluster than the one of KUBECONFIG",
            f"switch to that context and run `make down`; if that cluster is gone, delete {STATE}",
        )
    _CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    _CLUSTER.write_text(uid)


def _bring_image() -> None:
    """Load the sidecar's image into the cluster and write its name into the stack file."""
    run_pulumi("stack", "select", "--create", STACK)
    settings = own_stack.image_settings(yaml.safe_load(own_stack.FILE.read_text()))
    if not settings:
        return
    image = delivery.deliver(_nodes())
    for path, current in settings.items():
        if current != image:
            run_pulumi("config", "set", "--path", path, image, "--stack", STACK)
