"""Rules between additions to the pod and what this component puts into it.

A name stands once in a list of Kubernetes', or the API server refuses the object, or one silently replaces the other:
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from headscale_component.spec.config.types import DATA_DIRECTORY, SOCKET_DIRECTORY
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.files import CONFIG_DIRECTORY
from headscale_component.spec.valid_part import rule
from headscale_core.defaults import SIDECAR_CONTAINER

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]


def volumes_of_component(instance: HeadscaleArgs) -> list[str]:
    """Return the names of the volumes that the manifests make, that of the PVC among them.

    Args:
        instance: The instance, or its valid part.
    """
    folders = {posixpath.dirname(path) for path in instance.files}
    token = ["service-account-token"] if instance.api_key.auto_manage else []
    return ["config", "data", "socket", *token, *(f"files-{number}" for number in range(len(folders)))]


def containers_of_component(instance: HeadscaleArgs) -> list[str]:
    """Return the names of the containers that the manifests make.

    Args:
        instance: The instance, or its valid part.
    """
    return ["headscale", *([SIDECAR_CONTAINER] if instance.api_key.auto_manage else [])]


@rule
def check_volumes(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find two volumes of one name."""
    yield from _names_taken(instance.pod.volumes, "volume", volumes_of_component(instance))


@rule
def check_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find two containers of one name."""
    yield from _names_taken(instance.pod.containers, "container", containers_of_component(instance))


def _names_taken(items: Sequence[Mapping[str, Any]], kind: str, ours: Sequence[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        name, path = item.get("name"), ("pod", f"{kind}s", index, "name")
        if name in ours:
            yield Problem(path, f"`{name}` is a {kind} of this component in the same pod; choose another name")
        elif isinstance(name, str) and seen.setdefault(name, index) != index:
            yield Problem(path, f"`{name}` is the name of `pod.{kind}s[{seen[name]}]` too; choose another one")


def check_mounts(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find mounts of no volume, and mounts where the pod has one already."""
    yield from _mounts_of_no_volume(instance)
    yield from _mounts_over_others(instance)


@rule
def _mounts_of_no_volume(instance: HeadscaleArgs) -> Iterator[Problem]:
    yield from _unknown_volumes(instance, instance.pod.volume_mounts, ("pod", "volumeMounts"))


@rule
def _mounts_over_others(instance: HeadscaleArgs) -> Iterator[Problem]:
    ours = {CONFIG_DIRECTORY, DATA_DIRECTORY, SOCKET_DIRECTORY, *map(posixpath.dirname, instance.files)}
    seen: dict[str, int] = {}
    for index, mount in enumerate(instance.pod.volume_mounts):
        yield from _mount_over_others(index, mount, ours, seen)


@rule
def _mount_over_others(
    index: int, mount: Mapping[str, Any], ours: AbstractSet[str], seen: dict[str, int]
) -> Iterator[Problem]:
    folder, path = mount.get("mountPath"), ("pod", "volumeMounts", index, "mountPath")
    if not isinstance(folder, str):
        return
    place = posixpath.normpath(folder)
    if not folder.startswith("/") or ":" in folder:
        yield Problem(path, f"`{folder}` is no absolute path without `:`; write for example `/data`")
    elif place in ours:
        yield Problem(path, f"`{folder}` is mounted already; mount another folder, or a file below it")
    elif seen.setdefault(place, index) != index:
        yield Problem(path, f"`{folder}` is that of `pod.volumeMounts[{seen[place]}]` too; choose another one")


@rule
def check_mounts_of_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find mounts of no volume in added containers."""
    for index, container in enumerate(instance.pod.containers):
        yield from _mounts_of_container(index, container, instance)


@rule
def _mounts_of_container(index: int, container: Mapping[str, Any], instance: HeadscaleArgs) -> Iterator[Problem]:
    mounts = container.get("volumeMounts")
    if isinstance(mounts, list):
        yield from _unknown_volumes(instance, mounts, ("pod", "containers", index, "volumeMounts"))


def _unknown_volumes(instance: HeadscaleArgs, mounts: Sequence[object], path: Path) -> Iterator[Problem]:
    volumes = {*volumes_of_component(instance), *(volume.get("name") for volume in instance.pod.volumes)}
    for index, mount in enumerate(mounts):
        name = mount.get("name") if isinstance(mount, Mapping) else None
        if isinstance(name, str) and name not in volumes:
            yield Problem(
                (*path, index, "name"), f"`{name}` is no volume of the pod; give one of that name under `pod.volumes`"
            )
