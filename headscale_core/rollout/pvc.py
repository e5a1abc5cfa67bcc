"""The rules of the PVC with an instance's database: whether it can serve what is declared, and how it grows.

A StatefulSet never changes the PVC that it created from its `volumeClaimTemplates`
(https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from headscale_core.rollout.pod_status import condition, last_warning
from headscale_core.rollout.rollout import InstanceLocation, Object
from headscale_core.rollout.upgrade import step_problem

SERVED_VERSION = "headscale-component/served-version"
"""Annotation of the PVC: the version of Headscale that served from this database last, as `v0.29.3`."""

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


def pvc_problem(location: InstanceLocation, pvc: Object, size: str, storage_class: str | None) -> str:
    """Return why a PVC can never be as it is declared, empty where it can.

    A PVC can grow and never shrink; a growth that failed can be taken back, down to the size of the volume
    (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recovering-from-failure-when-expanding-volumes).

    Args:
        location: The instance.
        pvc: The PVC.
        size: The declared size, a quantity.
        storage_class: The declared class, None for whatever it has.
    """
    # A growth that failed may be taken back, down to what the volume has.
    least = pvc.get("status", {}).get("capacity", {}).get("storage") or pvc["spec"]["resources"]["requests"]["storage"]
    if quantity(size) < min(quantity(least), quantity(pvc["spec"]["resources"]["requests"]["storage"])):
        return shrink_problem(f"PVC {location.namespace}/{location.pvc}", least, size)
    found = pvc["spec"].get("storageClassName")
    if storage_class is not None and found != storage_class:
        return storage_class_problem(f"PVC {location.namespace}/{location.pvc}", found, storage_class)
    return ""


def preflight_problem(
    location: InstanceLocation, pvc: Object, size: str, storage_class: str | None, version: str
) -> str:
    """Return why an existing PVC cannot serve what is declared, empty where it can.

    Args:
        location: The instance.
        pvc: The PVC, as the cluster has it before anything changes.
        size: The declared size, a quantity.
        storage_class: The declared class; None for whatever the PVC has.
        version: The declared version of Headscale, as `v0.29.3`.
    """
    if was_never_bound(pvc):
        return ""
    if problem := pvc_problem(location, pvc, size, storage_class):
        return problem
    served = (pvc["metadata"].get("annotations") or {}).get(SERVED_VERSION)
    if not (step := step_problem(served, version)):
        return ""
    return (
        f"version {version} after {served} {step}; where the database of PVC {location.namespace}/{location.pvc} was "
        f"restored since, remove its annotation `{SERVED_VERSION}`"
    )


def was_never_bound(pvc: Object) -> bool:
    """Return whether a PVC never had a volume, and so holds nothing.

    https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
    """
    return not pvc["spec"].get("volumeName") and pvc.get("status", {}).get("phase", "Pending") == "Pending"


def must_recreate_pvc(pvc: Object, stateful_set: Object, size: str, storage_class: str | None) -> bool:
    """Return whether a PVC is another than declared and never had a volume: nothing of it can change but all of it.

    Args:
        pvc: The PVC.
        stateful_set: The StatefulSet, whose `volumeClaimTemplates` never changes.
        size: The declared size, a quantity.
        storage_class: The declared class, None for the cluster's default.
    """
    if not was_never_bound(pvc) or not _is_by_template(pvc, stateful_set):
        return False
    if quantity(size) != quantity(pvc["spec"]["resources"]["requests"]["storage"]):
        return True
    found = pvc["spec"].get("storageClassName")
    if storage_class is not None:
        return bool(found != storage_class)
    templates = stateful_set["spec"].get("volumeClaimTemplates") or [{}]
    return found is not None and found == templates[0].get("spec", {}).get("storageClassName")


def _is_by_template(pvc: Object, stateful_set: Object) -> bool:
    """Return whether a PVC is as the StatefulSet creates it: one that was created to restore a backup stays."""
    if any(pvc["spec"].get(name) for name in ("dataSource", "dataSourceRef", "selector")):
        return False
    template = (stateful_set["spec"].get("volumeClaimTemplates") or [{}])[0]
    wanted = template.get("metadata", {}).get("labels") or {}
    labels = (pvc.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def recreated_pvc(pvc: Object, size: str, storage_class: str | None) -> dict[str, Any]:
    """Return a PVC in place of one that never had a volume."""
    spec: dict[str, Any] = {
        "accessModes": pvc["spec"]["accessModes"],
        "resources": {"requests": {"storage": size}},
        **({"storageClassName": storage_class} if storage_class else {}),
    }
    metadata = {"name": pvc["metadata"]["name"], "labels": pvc["metadata"].get("labels", {})}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def shrink_problem(what: str, old: str, new: str) -> str:
    """Return why a PVC cannot become smaller.

    https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
    """
    return (
        f"{what} has {old} and cannot shrink to {new}: Kubernetes only lets PVCs grow; "
        f"write `persistentVolumeClaim: {{size: {old}}}`"
    )


def storage_class_problem(what: str, old: str | None, new: str | None) -> str:
    """Return why a PVC cannot have another storage class: only its size can change once it is bound.

    https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-claim-v1/
    """
    return (
        f"{what} is of storage class `{old or 'the default'}` and cannot become `{new or 'the default'}`: the class of "
        f"a PVC is fixed; take the change back, or restore a backup into an instance with a new PVC"
    )


def resize_state(location: InstanceLocation, pvc: Object, size: str, events: Sequence[Object]) -> str:
    """Return what the growth of a PVC waits for, empty where it has its size.

    Args:
        location: The instance.
        pvc: The PVC.
        size: The declared size, a quantity.
        events: Events of the namespace, as far as they may be read.
    """
    capacity = pvc.get("status", {}).get("capacity", {}).get("storage")
    if capacity and quantity(capacity) >= quantity(size):
        return ""
    waits = [
        f"{kind}: {value.get('message') or value.get('reason') or 'in progress'}"
        for kind in ("Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError")
        if (value := condition(pvc, kind)).get("status") == "True"
    ]
    why = (
        "; ".join(filter(None, (*waits, last_warning(events, location.pvc))))
        or "its storage driver has not grown it yet"
    )
    which = f"PVC {location.namespace}/{location.pvc}"
    return f"{which} has {capacity or 'no capacity'} of {size}: {why}"


def quantity(text: str) -> Decimal:
    """Return a Kubernetes quantity as a number.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

    Raises:
        ValueError: When it is none.
    """
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([mkMGTPE]?|[KMGTPE]i)", text)
    if found is None:
        raise ValueError(f"`{text}` is no quantity")
    return Decimal(found[1]) * _SUFFIXES[found[2]]
