"""Fields of Kubernetes objects under `pod`: what is nearly a field is a typing mistake.

Other fields pass, because a newer Kubernetes may know them.
Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import is_output
from headscale_component.spec.valid_part import rule

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]

FIELDS: dict[str, frozenset[str]] = {
    "resources": frozenset({"claims", "limits", "requests"}),
    "tolerations": frozenset({"effect", "key", "operator", "tolerationSeconds", "value"}),
    "affinity": frozenset({"nodeAffinity", "podAffinity", "podAntiAffinity"}),
    "volumeMounts": frozenset(
        {"mountPath", "mountPropagation", "name", "readOnly", "recursiveReadOnly", "subPath", "subPathExpr"}
    ),
    "topologySpreadConstraints": frozenset(
        {
            *("labelSelector", "matchLabelKeys", "maxSkew", "minDomains"),
            *("nodeAffinityPolicy", "nodeTaintsPolicy", "topologyKey", "whenUnsatisfiable"),
        }
    ),
    "volumes": frozenset(
        {
            *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "configMap", "csi", "downwardAPI"),
            *("emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo", "glusterfs"),
            *("hostPath", "image", "iscsi", "name", "nfs", "persistentVolumeClaim", "photonPersistentDisk"),
            *("portworxVolume", "projected", "quobyte", "rbd", "scaleIO", "secret", "storageos", "vsphereVolume"),
        }
    ),
    "containers": frozenset(
        {
            *("args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "name"),
            *("ports", "readinessProbe", "resizePolicy", "resources", "restartPolicy", "securityContext"),
            *("startupProbe", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty"),
            *("volumeDevices", "volumeMounts", "workingDir"),
        }
    ),
}
"""The fields of each object under `pod`, as Kubernetes spells them; Pulumi's own spelling, snake_case, is taken too."""

_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")


@rule
def check_fields(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find fields with a typing mistake, which the API server refuses in the middle of `pulumi up`."""
    pod = instance.pod
    lists = {
        "tolerations": pod.tolerations,
        "volumeMounts": pod.volume_mounts,
        "topologySpreadConstraints": pod.topology_spread_constraints,
        "volumes": pod.volumes,
        "containers": pod.containers,
    }
    for key, items in lists.items():
        for index, item in enumerate(items):
            yield from _misspelt(item, FIELDS[key], ("pod", key, index))
    yield from _misspelt(pod.resources, FIELDS["resources"], ("pod", "resources"))
    yield from _misspelt(pod.affinity or {}, FIELDS["affinity"], ("pod", "affinity"))


@rule
def check_quantities(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find amounts of CPU and memory that are none.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
    """
    for kind in ("requests", "limits"):
        amounts = instance.pod.resources.get(kind)
        for name, amount in amounts.items() if isinstance(amounts, Mapping) else ():
            if not is_output(amount) and not _QUANTITY.fullmatch(str(amount)):
                yield Problem(
                    ("pod", "resources", kind, name), f"`{amount}` is no amount; write for example `100m` or `128Mi`"
                )


def _misspelt(item: Mapping[str, Any], known: frozenset[str], path: Path) -> Iterator[Problem]:
    by_spelling = {_folded(field): field for field in known}
    for key in item:
        if not isinstance(key, str) or key in known or _is_snake_case(key, by_spelling):
            continue
        near = get_close_matches(_folded(key), by_spelling, n=1, cutoff=0.85)
        if near and abs(len(near[0]) - len(_folded(key))) <= 1:
            yield Problem((*path, key), f"unknown field; did you mean `{by_spelling[near[0]]}`?")


def _folded(key: str) -> str:
    return key.replace("_", "").lower()


def _is_snake_case(key: str, by_spelling: Mapping[str, str]) -> bool:
    """Return whether a key is a field as Pulumi's Python SDK spells it."""
    return key == key.lower() and "_" in key and _folded(key) in by_spelling
