"""Rules between additions to the pod and what this component puts into it.

A name stands once in a list of Kubernetes', or the API server refuses the object, or one silently replaces the other:
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headscale_component.spec.config.types import (
    DATA_DIRECTORY,
    GRPC_LISTEN_ADDRESS,
    SOCKET_DIRECTORY,
    port_of,
)
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.files import CONFIG_DIRECTORY
from headscale_component.spec.valid_part import rule
from headscale_core.defaults import RELAY_PORT, SIDECAR_CONTAINER, SIDECAR_HEALTH_PORT

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]

VOLUMES = ("config", "data", "service-account-token", "socket")
"""Volumes of the pod that this component writes; a folder of `files` has `files-` and a number."""

CONTAINERS = ("headscale", SIDECAR_CONTAINER)

MAX_CONFIG_MAP_BYTES = 1024 * 1024
"""https://kubernetes.io/docs/concepts/configuration/configmap/#motivation."""

_FILES = "files-"


@rule
def check_volumes(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find two volumes of one name."""
    seen: dict[object, int] = {}
    for index, volume in enumerate(instance.pod.volumes):
        name, path = volume.get("name"), ("pod", "volumes", index, "name")
        if name in VOLUMES or (isinstance(name, str) and name.startswith(_FILES)):
            yield Problem(path, f"`{name}` is a volume of this component's own; choose another name")
        elif isinstance(name, str) and seen.setdefault(name, index) != index:
            yield Problem(path, f"`{name}` is the name of `pod.volumes[{seen[name]}]` too; choose another one")


@rule
def check_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find two containers of one name, and a port on which another container listens."""
    seen: dict[object, int] = {}
    for index, container in enumerate(instance.pod.containers):
        name, path = container.get("name"), ("pod", "containers", index)
        if name in CONTAINERS:
            yield Problem((*path, "name"), f"`{name}` is a container of this component's own; choose another name")
        elif isinstance(name, str) and seen.setdefault(name, index) != index:
            yield Problem(
                (*path, "name"), f"`{name}` is the name of `pod.containers[{seen[name]}]` too; choose another"
            )


@rule
def check_container_ports(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a port on which another container listens: all containers share the pod's network."""
    taken: dict[tuple[int, str], str] = dict(_own_ports(instance))
    for index, container in enumerate(instance.pod.containers):
        for number, port in enumerate(_items(container.get("ports"))):
            path = ("pod", "containers", index, "ports", number, "containerPort")
            listens: tuple[Any, Any] = port.get("containerPort"), port.get("protocol") or "TCP"
            owner = taken.setdefault(listens, f"pod.containers[{index}]")
            if owner != f"pod.containers[{index}]":
                yield Problem(path, f"port {listens[0]} is that of `{owner}`, in the same pod; give another one")


def _own_ports(instance: HeadscaleArgs) -> Iterator[tuple[tuple[int, str], str]]:
    config = instance.config
    yield (port_of(config.listen_addr), "TCP"), "config.listen_addr"
    yield (port_of(config.grpc_listen_addr or GRPC_LISTEN_ADDRESS), "TCP"), "config.grpc_listen_addr"
    if config.metrics_listen_addr:
        yield (port_of(config.metrics_listen_addr), "TCP"), "config.metrics_listen_addr"
    if config.answers_acme:
        yield (port_of(config.tls_letsencrypt_listen), "TCP"), "config.tls_letsencrypt_listen"
    if config.derp.server.enabled is True:
        yield (port_of(config.derp.server.stun_listen_addr), "UDP"), "config.derp.server.stun_listen_addr"
    if instance.api_key.auto_manage:
        yield (SIDECAR_HEALTH_PORT, "TCP"), SIDECAR_CONTAINER
        yield (RELAY_PORT, "TCP"), SIDECAR_CONTAINER


@rule
def check_sidecar_ports(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find addresses of Headscale's on ports of the sidecar, which is in the same pod."""
    if not instance.api_key.auto_manage:
        return
    for (port, protocol), key in _own_ports(instance):
        if key.startswith("config.") and protocol == "TCP" and port in {SIDECAR_HEALTH_PORT, RELAY_PORT}:
            yield Problem(
                tuple(key.split(".")), f"port {port} is that of the sidecar in the same pod; give another one"
            )


@rule
def check_mounts(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find mounts of no volume, and mounts over what is there."""
    volumes = {*VOLUMES, *(volume.get("name") for volume in instance.pod.volumes)}
    own = {CONFIG_DIRECTORY, DATA_DIRECTORY, SOCKET_DIRECTORY, *map(posixpath.dirname, instance.files)}
    seen: dict[str, int] = {}
    for index, mount in enumerate(instance.pod.volume_mounts):
        path, name, folder = ("pod", "volumeMounts", index), mount.get("name"), mount.get("mountPath")
        if isinstance(name, str) and name not in volumes:
            yield Problem((*path, "name"), f"there is no volume `{name}`; add it to `pod.volumes`")
        if not isinstance(folder, str):
            continue
        place = posixpath.normpath(folder)
        if not folder.startswith("/") or ":" in folder:
            yield Problem(
                (*path, "mountPath"), f"`{folder}` is no absolute path without `:`; write for example `/data`"
            )
        elif place in own:
            yield Problem((*path, "mountPath"), f"`{folder}` is mounted by this component itself; choose another one")
        elif seen.setdefault(place, index) != index:
            yield Problem((*path, "mountPath"), f"`{folder}` is that of `pod.volumeMounts[{seen[place]}]` too")


@rule
def check_mounts_of_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find mounts of no volume in added containers."""
    volumes = {*VOLUMES, *(volume.get("name") for volume in instance.pod.volumes)}
    for index, container in enumerate(instance.pod.containers):
        for number, mount in enumerate(_items(container.get("volumeMounts"))):
            name = mount.get("name")
            if isinstance(name, str) and name not in volumes and not name.startswith(_FILES):
                yield Problem(
                    ("pod", "containers", index, "volumeMounts", number, "name"),
                    f"there is no volume `{name}`; add it to `pod.volumes`",
                )


@rule
def check_inline_files(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find inline files that are more than a ConfigMap holds."""
    texts = {path: file.inline for path, file in instance.files.items() if isinstance(file.inline, str)}
    total = sum(len(text.encode(errors="replace")) for text in texts.values())
    if total > MAX_CONFIG_MAP_BYTES:
        largest = max(texts, key=lambda path: len(texts[path]))
        yield Problem(
            ("files", largest, "inline"),
            f"is the largest of inline files of {total} bytes together, and a ConfigMap holds {MAX_CONFIG_MAP_BYTES}; "
            "put it on a volume of `pod.volumes`",
        )


@rule
def check_namespace_labels(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find labels for a namespace that is not this component's to label."""
    if instance.namespace_labels and not instance.create_namespace:
        yield Problem(
            ("namespaceLabels",), "have no effect without `createNamespace: true`; add that, or leave them out"
        )


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
