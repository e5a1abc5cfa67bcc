"""Load the sidecar's image into the user's own cluster: no registry has it, so the nodes cannot pull it.

The nodes' status shows the kind of cluster; the program that loads images into that kind has to be on PATH.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import sidecar_image
from lab.cluster.certificates import NODE
from lab.progress import LabError, say, step
from lab.state import KUBECONFIG

REGISTRY = "IMAGE_REGISTRY"
"""The variable that names a registry to push to, as `registry.example.com/team`; it is used wherever it is set."""

Node = Mapping[str, Any]

_CONTAINERD = Path("/run/containerd/containerd.sock")
_LAB_CONTAINERD = KUBECONFIG.with_name("containerd.sock")
"""Socket of the lab's own containerd: tests use the lab's cluster as a user's own, with another state folder."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Loader:
    """How an image is loaded into a kind of cluster.

    Attributes:
        cluster: The kind of cluster, for messages.
        command: The program and its arguments; the archive's path takes the place of `{archive}`.
        environment: Variables that it needs.
    """

    cluster: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """The program that has to be on PATH."""
        return self.command[0]


def deliver(nodes: Sequence[Node]) -> str:
    """Load the image into the cluster unless it has it, report how, and return its name there.

    Args:
        nodes: The cluster's nodes as the API server lists them; none where the user may not list them.

    Raises:
        LabError: When the image cannot be loaded, with what to do.
    """
    if registry := os.environ.get(REGISTRY, "").strip("/"):
        name = in_registry(registry, sidecar_image.content_tag())
        _check_architecture(nodes)
        with step(f"pushing the sidecar's image as {name} ({REGISTRY})"):
            sidecar_image.push(name)
        return name
    name = sidecar_image.content_tag()
    if has_image(nodes, name):
        say(f"  the sidecar's image {name} is on the cluster's nodes already")
    else:
        load(nodes, name)
    return name


def load(nodes: Sequence[Node], name: str) -> None:
    """Load the image into the cluster's nodes under a name.

    Raises:
        LabError: When the cluster is of no supported kind, with what to do.
    """
    boot_id = _BOOT.read_text().strip() if _BOOT.exists() else "unknown"
    loader = find_loader(nodes, boot_id, socket.gethostname())
    if loader is None or not shutil.which(loader.program):
        raise LabError(
            f"the sidecar's image cannot be loaded into this cluster: {_loading_problem(nodes, loader)}",
            f"set {REGISTRY} to a registry that it pulls from (registry.example.com/team), or `apiKey.managerImage` in "
            "the stack file to an image that it has",
        )
    _check_architecture(nodes)
    archive = str(sidecar_image.archive(name))
    command = [part.format(archive=archive) for part in loader.command]
    with step(f"loading the sidecar's image {name} into {loader.cluster}: {' '.join(loader.command[:3])}"):
        run = subprocess.run(
            command, env={**os.environ, **loader.environment}, capture_output=True, text=True, check=False
        )
        if run.returncode:
            output = (run.stderr or run.stdout).strip()[-1000:]
            raise LabError(f"`{' '.join(command)}` failed:\n{output}", f"or set {REGISTRY} to a registry")


def _loading_problem(nodes: Sequence[Node], loader: Loader | None) -> str:
    if loader:
        return f"it is {loader.cluster}, and `{loader.program}` is not on PATH"
    if not nodes:
        return "its nodes may not be listed, so its kind is unknown"
    return "it is not kind, k3d, minikube, or k3s or containerd on this machine"


def has_image(nodes: Sequence[Node], name: str) -> bool:
    """Return whether every node has an image of a name."""
    return bool(nodes) and all(name in _images(node) for node in nodes)


def in_registry(registry: str, name: str) -> str:
    """Return the image's name in a registry: `registry.example.com/team/headscale-sidecar:TAG`."""
    return f"{registry}/headscale-sidecar:{name.rpartition(':')[2]}"


def find_loader(nodes: Sequence[Node], boot_id: str = "", hostname: str = "") -> Loader | None:
    """Return how images are loaded into a cluster, by what its nodes report; None for an unknown kind.

    Args:
        nodes: The nodes.
        boot_id: This machine's; a node with the same runs on this machine, perhaps in a container.
        hostname: This machine's; nodes in containers have another.
    """
    if not nodes:
        return None
    found = _kind(nodes[0]) or _k3d(nodes[0]) or _minikube(nodes[0])
    if found is None and all(_info(node).get("bootID") == boot_id for node in nodes):
        found = _k3s(nodes[0]) or _containerd(nodes[0], hostname)
    return found


def _kind(node: Node) -> Loader | None:
    provider = _provider(node)
    if not provider.startswith("kind://"):
        return None
    engine, cluster = provider.removeprefix("kind://").split("/")[:2]
    environment = {} if engine == "docker" else {"KIND_EXPERIMENTAL_PROVIDER": engine}
    return Loader("kind", ("kind", "load", "image-archive", "{archive}", "--name", cluster), environment)


def _k3d(node: Node) -> Loader | None:
    name = node["metadata"]["name"]
    if not (name.startswith("k3d-") and _is_k3s(node)):
        return None
    # A node's name is k3d-CLUSTER-server-0 or k3d-CLUSTER-agent-0.
    cluster = name.removeprefix("k3d-").rpartition("-")[0].rpartition("-")[0]
    return Loader("k3d", ("k3d", "image", "import", "{archive}", "--cluster", cluster))


def _minikube(node: Node) -> Loader | None:
    profile = (node["metadata"].get("labels") or {}).get("minikube.k8s.io/name")
    return Loader("minikube", ("minikube", "--profile", profile, "image", "load", "{archive}")) if profile else None


def _k3s(node: Node) -> Loader | None:
    return Loader("k3s on this machine", ("k3s", "ctr", "images", "import", "{archive}")) if _is_k3s(node) else None


def _containerd(node: Node, hostname: str) -> Loader | None:
    name = node["metadata"]["name"]
    is_lab = name == NODE and _LAB_CONTAINERD.exists()
    if not is_lab and name != hostname.lower():
        return None
    address = _LAB_CONTAINERD if is_lab else _CONTAINERD
    command = ("ctr", "--address", str(address), "--namespace", "k8s.io", "images", "import", "{archive}")
    is_containerd = str(_info(node).get("containerRuntimeVersion", "")).startswith("containerd://")
    return Loader("containerd on this machine", command) if is_containerd else None


def _is_k3s(node: Node) -> bool:
    return "+k3s" in str(_info(node).get("kubeletVersion", "")) or _provider(node).startswith("k3s://")


def _provider(node: Node) -> str:
    return str(node.get("spec", {}).get("providerID", ""))


def _info(node: Node) -> Mapping[str, Any]:
    info: Mapping[str, Any] = node.get("status", {}).get("nodeInfo", {})
    return info


def _images(node: Node) -> set[str]:
    """Return the names of the images that a node reports: kubelet's default is the fifty largest."""
    images = node.get("status", {}).get("images") or []
    return {_full(name) for image in images for name in image.get("names") or []}


def _full(name: str) -> str:
    """Return an image's name with its registry, which may be left out for Docker Hub."""
    first = name.partition("/")[0]
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def _check_architecture(nodes: Sequence[Node]) -> None:
    here = _ARCHITECTURES.get(platform.machine(), platform.machine())
    there = {_info(node).get("architecture", here) for node in nodes}
    if other := sorted(there - {here}):
        raise LabError(
            f"the cluster has nodes of {', '.join(other)} and this machine builds images for {here}",
            "build one with `docker buildx build --platform linux/amd64,linux/arm64 -f images/sidecar/Dockerfile .`, "
            "push it, and set `apiKey.managerImage` in the stack file to it",
        )
