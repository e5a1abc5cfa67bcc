"""How the sidecar's image gets into each kind of cluster; kind, k3d, minikube, k3s and ctr record their arguments."""

import platform
import socket
from pathlib import Path

import pytest

from lab import delivery, sidecar_image
from lab.progress import LabError

from .conftest import calls, program

HERE = delivery._ARCHITECTURES.get(platform.machine(), platform.machine())
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
NAME = "localhost/headscale-sidecar:0.1.0-0123456789ab"


def a_node(name="node-1", *, provider="", version="v1.36.3", boot="another", images=(), architecture=HERE, **labels):
    return {
        "metadata": {"name": name, "labels": {key.replace("_", "/"): value for key, value in labels.items()}},
        "spec": {"providerID": provider} if provider else {},
        "status": {
            "nodeInfo": {
                "bootID": boot,
                "kubeletVersion": version,
                "containerRuntimeVersion": "containerd://2.1.0",
                "architecture": architecture,
            },
            "images": [{"names": list(images)}],
        },
    }


KIND = a_node("dev-control-plane", provider="kind://docker/dev/dev-control-plane", boot=BOOT)
K3D = a_node("k3d-my-dev-server-0", provider="k3s://k3d-my-dev-server-0", version="v1.33.4+k3s1", boot=BOOT)
MINIKUBE = a_node("work", **{"minikube.k8s.io_name": "work"}, boot=BOOT)
K3S = a_node("box", provider="k3s://box", version="v1.33.4+k3s1", boot=BOOT)
KUBEADM = a_node(socket.gethostname().lower(), boot=BOOT)


@pytest.fixture(autouse=True)
def archive(tmp_path, monkeypatch):
    """The image is built elsewhere."""
    path = tmp_path / "sidecar.tar"
    monkeypatch.setattr(sidecar_image, "archive", lambda _: path)
    monkeypatch.setattr(sidecar_image, "content_tag", lambda: NAME)
    monkeypatch.delenv(delivery.REGISTRY, raising=False)
    return path


@pytest.mark.parametrize(
    ("node", "called", "arguments"),
    [
        (KIND, "kind", "load image-archive {archive} --name dev"),
        (K3D, "k3d", "image import {archive} --cluster my-dev"),
        (MINIKUBE, "minikube", "--profile work image load {archive}"),
        (K3S, "k3s", "ctr images import {archive}"),
        (KUBEADM, "ctr", "--address /run/containerd/containerd.sock --namespace k8s.io images import {archive}"),
    ],
    ids=["kind", "k3d", "minikube", "k3s", "containerd"],
)
def test_image_is_loaded_by_the_clusters_program(node, called, arguments, fake_path, archive):
    for name in ("kind", "k3d", "minikube", "k3s", "ctr"):
        program(fake_path, name)

    assert delivery.deliver([node]) == NAME

    assert calls(fake_path, called) == [arguments.format(archive=archive)]
    assert [path.name for path in fake_path.glob("*.calls")] == [f"{called}.calls"]


def test_loading_is_reported_in_one_line(fake_path, capsys):
    program(fake_path, "kind")

    delivery.deliver([KIND])

    assert capsys.readouterr().err.startswith(
        f"  loading the sidecar's image {NAME} into kind: kind load image-archive"
    )


def test_kind_on_podman_sets_its_provider(fake_path):
    program(fake_path, "kind", f"echo $KIND_EXPERIMENTAL_PROVIDER > {fake_path}/provider")

    delivery.deliver([a_node("kind-control-plane", provider="kind://podman/kind/kind-control-plane")])

    assert (fake_path / "provider").read_text() == "podman\n"


@pytest.mark.parametrize(
    ("name", "reported"),
    [(NAME, NAME), ("docker.io/team/sidecar:1", "team/sidecar:1")],
    ids=["local", "docker hub"],
)
def test_image_on_all_nodes_is_not_loaded_again(monkeypatch, fake_path, capsys, name, reported):
    program(fake_path, "kind")
    monkeypatch.setattr(sidecar_image, "content_tag", lambda: name)

    delivery.deliver([{**KIND, "status": {**KIND["status"], "images": [{"names": [reported]}]}}])

    assert calls(fake_path, "kind") == []
    assert "is on the cluster's nodes already" in capsys.readouterr().err


def test_image_on_one_of_two_nodes_is_loaded(fake_path):
    program(fake_path, "kind")

    delivery.deliver([{**KIND, "status": {**KIND["status"], "images": [{"names": [NAME]}]}}, KIND])

    assert len(calls(fake_path, "kind")) == 1


@pytest.mark.parametrize("node", [KIND, a_node()], ids=["kind", "cloud"])
def test_registry_is_used_wherever_it_is_named(node, monkeypatch, fake_path, capsys):
    program(fake_path, "kind")
    pushed = []
    monkeypatch.setattr(sidecar_image, "push", pushed.append)
    monkeypatch.setenv(delivery.REGISTRY, "registry.example.com/team/")

    name = delivery.deliver([node])

    assert name == "registry.example.com/team/headscale-sidecar:0.1.0-0123456789ab"
    assert pushed == [name]
    assert calls(fake_path, "kind") == []
    assert f"pushing the sidecar's image as {name} (IMAGE_REGISTRY)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("nodes", "obstacle"),
    [
        ([KIND], "it is kind, and `kind` is not on PATH"),
        ([K3S], "it is k3s on this machine, and `k3s` is not on PATH"),
        ([a_node(provider="aws:///eu-central-1a/i-1")], "it is not kind, k3d, minikube, or k3s or containerd on this"),
        ([K3S, a_node("other", version="v1.33.4+k3s1")], "it is not kind, k3d, minikube, or k3s or containerd on this"),
        ([a_node("a-container", boot=BOOT)], "it is not kind, k3d, minikube, or k3s or containerd on this machine"),
        ([], "its nodes may not be listed"),
    ],
    ids=["kind missing", "k3s missing", "cloud", "k3s of two machines", "container here", "no rights"],
)
def test_image_without_delivery_says_what_to_do(nodes, obstacle, fake_path):
    with pytest.raises(LabError) as caught:
        delivery.deliver(nodes)

    assert str(caught.value).startswith(f"the sidecar's image cannot be loaded into this cluster: {obstacle}")
    assert "IMAGE_REGISTRY" in caught.value.hint
    assert "apiKey.managerImage" in caught.value.hint


def test_failed_load_shows_output_of_the_program(fake_path):
    program(fake_path, "kind", "echo 'no nodes found for cluster' >&2; exit 1")

    with pytest.raises(LabError, match="no nodes found for cluster"):
        delivery.deliver([KIND])


def test_nodes_of_another_architecture_are_refused(fake_path):
    program(fake_path, "kind")
    other = "arm64" if HERE != "arm64" else "amd64"

    with pytest.raises(LabError, match=f"nodes of {other} and this machine builds images for {HERE}") as caught:
        delivery.deliver([KIND, a_node(provider="kind://docker/dev/dev-worker", architecture=other)])

    assert "docker buildx build" in caught.value.hint
    assert calls(fake_path, "kind") == []
