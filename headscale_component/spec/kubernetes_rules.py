"""What the API server refuses in objects that a person adds to: names, labels, sizes, and names of our own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headscale_component.spec.config.types import DATA_DIRECTORY, SOCKET_DIRECTORY
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.files import CONFIG_DIRECTORY
from headscale_component.spec.model import is_output
from headscale_component.spec.valid_part import rule
from headscale_core.defaults import SIDECAR_CONTAINER

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

MAX_CONFIG_MAP_BYTES = 2**20
"""Of all values together (https://kubernetes.io/docs/concepts/configuration/configmap/#motivation)."""

_NUMBERS = re.compile(r"v?(\d+\.\d+\.\d+)(?![0-9.])")
"""What a version begins with; what follows may be of a build, as `-debug`."""


@rule
def check_namespace_labels(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find labels of a namespace that the component does not make, and that nobody would set."""
    if instance.namespace_labels and not instance.create_namespace:
        yield Problem(
            ("namespaceLabels",),
            "are set with `createNamespace: true` alone; write that too, or label the namespace where it is made",
        )


@rule
def check_image_tag(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find an image whose tag is another version than the declared one, beside the digest that decides."""
    name, _, digest = instance.image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    tagged, declared = _NUMBERS.match(tag), _NUMBERS.match(instance.version)
    if digest and tagged and declared and tagged[1] != declared[1]:
        yield Problem(
            ("image",),
            f"has the tag `{tag}`, and `version` is `{instance.version}`: the digest decides what runs, and `version` "
            "how it is configured; change both together",
        )


@rule
def check_size_of_files(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find inline files that are too large for a ConfigMap."""
    texts = [file.inline for file in instance.files.values() if isinstance(file.inline, str)]
    size = sum(len(text.encode()) for text in texts)
    if size > MAX_CONFIG_MAP_BYTES:
        yield Problem(
            ("files",),
            f"have {size} bytes inline, and a ConfigMap has room for {MAX_CONFIG_MAP_BYTES}; give some by "
            "`configMapKeyRef`",
        )


@rule
def check_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find containers without a name, or with one that the pod has already."""
    ours = ["headscale", *([SIDECAR_CONTAINER] if instance.api_key.auto_manage else [])]
    yield from _names(instance.pod.containers, ("pod", "containers"), "container", ours)


@rule
def check_volumes(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find volumes without a name, or with one that the pod has already."""
    yield from _names(instance.pod.volumes, ("pod", "volumes"), "volume", volumes_of_component(instance))


@rule
def check_mounts(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find mounts of no volume, and mounts where the pod has one already."""
    volumes = {*volumes_of_component(instance), *(volume.get("name") for volume in instance.pod.volumes)}
    folders = {CONFIG_DIRECTORY, DATA_DIRECTORY, SOCKET_DIRECTORY, *map(posixpath.dirname, instance.files)}
    for index, mount in enumerate(instance.pod.volume_mounts):
        path: tuple[PathPart, ...] = ("pod", "volumeMounts", index)
        name, folder = mount.get("name"), mount.get("mountPath", mount.get("mount_path"))
        if name is not None and name not in volumes:
            yield Problem((*path, "name"), f"`{name}` is no volume of the pod; give one of that name under `volumes`")
        if folder in folders:
            yield Problem(
                (*path, "mountPath"), f"`{folder}` is mounted already; mount another folder, or a file below it"
            )


def volumes_of_component(instance: HeadscaleArgs) -> list[str]:
    """Return the names of the volumes that the manifests make, that of the PVC among them.

    Args:
        instance: The instance, or its valid part.
    """
    folders = {posixpath.dirname(path) for path in instance.files}
    token = ["service-account-token"] if instance.api_key.auto_manage else []
    return ["config", "data", "socket", *token, *(f"files-{number}" for number in range(len(folders)))]


def _names(
    items: Sequence[Mapping[str, Any]], path: tuple[PathPart, ...], kind: str, ours: Sequence[str]
) -> Iterator[Problem]:
    seen: set[object] = set()
    for index, item in enumerate(items):
        name = item.get("name")
        here = (*path, index, "name")
        if name is None and not any(map(is_output, item.values())):
            yield Problem(here, f"is required: each {kind} of a pod has a name")
        elif name in ours:
            yield Problem(here, f"`{name}` is a {kind} of this component in the same pod; choose another name")
        elif isinstance(name, str) and name in seen:
            yield Problem(here, f"`{name}` is the name of another {kind} of the pod too; choose another one")
        if isinstance(name, str):
            seen.add(name)
