"""What the volume provisioner decides, from PVCs and volumes as the API server lists them. Pure functions.

The classes are common ones: the default of kind, k3s, EKS, GKE and AKS waits for the pod and lets PVCs
grow (`lab`), others bind immediately (`lab-immediate`), and some refuse to grow (`lab-fixed`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]

PROVISIONER = "headscale-lab/folder"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"

_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)}
_UNITS |= {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")


@dataclass(frozen=True, slots=True)
class StorageClass:
    """A storage class of the lab.

    Attributes:
        name: Its name.
        immediate: Whether a PVC is bound immediately, before a pod uses it.
        expandable: Whether a PVC may request more later; otherwise the API server refuses it.
        default: Whether PVCs without a class get this one.
    """

    name: str
    immediate: bool = False
    expandable: bool = True
    default: bool = False

    def manifest(self) -> dict[str, Any]:
        """Return the object."""
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": self.name, "annotations": {_DEFAULT_CLASS: str(self.default).lower()}},
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate" if self.immediate else "WaitForFirstConsumer",
            "allowVolumeExpansion": self.expandable,
        }


CLASSES = {
    value.name: value
    for value in (
        StorageClass("lab", default=True),
        StorageClass("lab-immediate", immediate=True),
        StorageClass("lab-fixed", expandable=False),
    )
}


@dataclass(frozen=True, slots=True)
class Growth:
    """A bound PVC that requests more than it has.

    Attributes:
        claim: The PVC.
        volume: Name of its volume.
        size: What it requests, as a Kubernetes quantity.
    """

    claim: Document
    volume: str
    size: str


def unprovisioned(claims: Iterable[Document]) -> list[Document]:
    """Return the PVCs that need a volume: of an immediate class all, of others those whose pod has a node."""
    return [claim for claim in claims if _waits(claim)]


def _waits(claim: Document) -> bool:
    value = CLASSES.get(claim["spec"].get("storageClassName", ""))
    if value is None or claim["spec"].get("volumeName") or claim["metadata"].get("deletionTimestamp"):
        return False
    return value.immediate or _SELECTED_NODE in claim["metadata"].get("annotations", {})


def growths(claims: Iterable[Document], volumes: Iterable[Document]) -> list[Growth]:
    """Return the bound PVCs whose request is larger than the capacity in their status.

    A PVC whose volume has grown already is among them: only its status is to be updated.
    """
    provisioned = {volume["metadata"]["name"] for volume in volumes if _is_owned(volume)}
    found = []
    for claim in claims:
        name = claim["spec"].get("volumeName")
        has = claim.get("status", {}).get("capacity", {}).get("storage")
        asks = claim["spec"]["resources"]["requests"]["storage"]
        if name in provisioned and has and quantity(asks) > quantity(has):
            found.append(Growth(claim, name, asks))
    return found


def released(volumes: Iterable[Document]) -> list[str]:
    """Return the names of the provisioned volumes whose PVC is deleted."""
    return [
        volume["metadata"]["name"]
        for volume in volumes
        if _is_owned(volume) and volume.get("status", {}).get("phase") == "Released"
    ]


def _is_owned(volume: Document) -> bool:
    return bool(volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER)


def volume_name(claim: Document) -> str:
    """Return the name of a PVC's volume; a later PVC of the same name gets another one."""
    return f"pvc-{claim['metadata']['uid']}"


def volume(claim: Document, folder: Path) -> dict[str, Any]:
    """Return the PersistentVolume of a PVC.

    Args:
        claim: The PVC.
        folder: Where its files are, on the node.
    """
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
        },
    }


def grown_volume(growth: Growth) -> dict[str, Any]:
    """Return the merge patch that gives a volume its new size."""
    return {"spec": {"capacity": {"storage": growth.size}}}


def grown_claim(growth: Growth) -> dict[str, Any]:
    """Return the merge patch of a PVC's status once its volume has grown: the capacity, and no conditions."""
    return {"status": {"capacity": {"storage": growth.size}, "conditions": None}}


def growth_event(growth: Growth, time: str) -> dict[str, Any]:
    """Return the Event of a resized PVC, with the reason that the external resizer gives.

    Source: https://github.com/kubernetes-csi/external-resizer (pkg/util/events.go).

    Args:
        growth: What was done.
        time: When, as an RFC 3339 timestamp.
    """
    metadata = growth.claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "type": "Normal",
        "reason": "VolumeResizeSuccessful",
        "message": f"resized to {growth.size}",
        "source": {"component": PROVISIONER},
        "reportingComponent": PROVISIONER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }


def quantity(text: str) -> Decimal:
    """Return a Kubernetes quantity in bytes.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

    Raises:
        ValueError: When it is not one.
    """
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in _UNITS:
        raise ValueError(f"`{text}` is not a quantity")
    return Decimal(found[1]) * _UNITS[found[2]]
