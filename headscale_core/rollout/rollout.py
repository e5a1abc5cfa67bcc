"""The rules of a rollout: when a StatefulSet's new pod counts, how its PVC grows, and when the data is another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headscale_core.defaults import pvc_name
from headscale_core.errors import HeadscaleError
from headscale_core.rollout.pod_status import condition, last_warning, pod_problem
from headscale_core.rollout.upgrade import step_problem

Object = Mapping[str, Any]

SERVED_VERSION = "headscale-component/served-version"
"""Annotation of the PVC: the version of Headscale that served from this database last, as `v0.29.3`."""

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


class RolloutError(HeadscaleError):
    """A rollout that did not come to its end, with what keeps it."""


@dataclass(frozen=True, slots=True)
class InstanceLocation:
    """Where an instance lives, as far as its stack says.

    Attributes:
        namespace: Its namespace.
        instance: Its name, which its StatefulSet bears.
    """

    namespace: str
    instance: str

    @property
    def pod(self) -> str:
        """The instance's one pod."""
        return f"{self.instance}-0"

    @property
    def pvc(self) -> str:
        """The PVC of that pod, which holds the database."""
        return pvc_name(self.instance)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.instance}"


def pod_state(
    location: InstanceLocation,
    stateful_set: Object | None,
    pod: Object | None,
    events: Sequence[Object],
    *,
    replicas: int = 1,
) -> str:
    """Return what the rollout waits for, empty where the pod of the newest template is ready.

    Args:
        location: The instance.
        stateful_set: The StatefulSet, None where there is none.
        pod: Its pod, None where there is none.
        events: Events of the namespace, as far as they may be read.
        replicas: How many pods are declared: 1, or 0.
    """
    status, which = (stateful_set or {}).get("status", {}), f"pod {location.namespace}/{location.pod}"
    if problem := _stateful_set_problem(location, stateful_set, replicas):
        return problem
    if pod is None:
        missing = f"{which} is not there"
        return _with_warning(missing, last_warning(events, location.instance)) if replicas else ""
    if not replicas:
        return f"{which} still runs"
    problem = pod_problem(pod)
    if pod["metadata"].get("labels", {}).get("controller-revision-hash") != status.get("updateRevision"):
        return f"{which} of the old template still runs; {problem or 'it is ready'}"
    # A pod that has no node yet waits for its PVC, whose own warning says more than the scheduler's.
    has_node = condition(pod, "PodScheduled").get("status") != "False"
    by_importance = (location.pod, location.pvc) if has_node else (location.pvc, location.pod)
    return problem and _with_warning(
        problem, next(filter(None, (last_warning(events, name) for name in by_importance)), "")
    )


def _stateful_set_problem(location: InstanceLocation, stateful_set: Object | None, replicas: int) -> str:
    if stateful_set is None:
        return f"there is no StatefulSet {location}"
    if stateful_set.get("status", {}).get("observedGeneration", 0) < stateful_set["metadata"]["generation"]:
        return f"the controller has not seen the new StatefulSet {location} yet"
    found = stateful_set["spec"].get("replicas", 1)
    return f"StatefulSet {location} is scaled to {found} and not to {replicas}" if found != replicas else ""


def _with_warning(problem: str, warning: str) -> str:
    # What a container says about itself is better than what the probe says about it.
    return f"{problem} ({warning})" if warning and "crashes" not in problem and warning not in problem else problem


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
    """Return whether a PVC is as the StatefulSet makes it: one that somebody made to restore a backup stays."""
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


def move_warning(old: InstanceLocation, new: InstanceLocation, *, retain: bool, elsewhere: bool) -> str:
    """Return what it comes to that an instance answers from another database.

    Args:
        old: Where the database is that the state knows.
        new: Where the instance is to be.
        retain: Whether the old PVC outlives its StatefulSet.
        elsewhere: Whether the cluster is another one.
    """
    left = f"PVC {old.namespace}/{old.pvc}" + (" of the old cluster" if elsewhere else "")
    fate = f"{left} stays behind with its database" if retain or elsewhere else f"{left} is deleted with its database"
    return (
        f"the data does not move: {fate}, and {new} begins with an empty one. Every node has to join again; users, "
        "keys and policy are recreated, with other ids and other keys in their Secrets"
    )


def is_consented(old: InstanceLocation, before: object, now: object, *, elsewhere: bool) -> bool:
    """Return whether a stack consents to leave the data of an instance behind.

    A consent names the location. Another cluster has the same location, so there one that an earlier update had already
    would agree to every cluster that a kubeconfig leads to: it counts only where it is new.

    Args:
        old: Where the database is that the state knows.
        before: `abandonData` as the state has it; None for none.
        now: `abandonData` as it is declared; None for none.
        elsewhere: Whether the cluster is another one.
    """
    return now == str(old) and not (elsewhere and before == now)


def consent_hint(old: InstanceLocation, now: object = None) -> str:
    """Return how a stack consents to leave data behind.

    Args:
        old: Where the database is that the state knows.
        now: `abandonData` as it is declared, which was not enough; None for none.
    """
    if now == str(old):
        return (
            f"`abandonData: {old}` does not count, for an earlier update had it already: take the change back, remove "
            "it by a `pulumi up`, and write it again together with the change"
        )
    return (
        f"to go on, write `abandonData: {old}` for the instance; to keep the data, take the change back or restore a "
        "backup in the new place"
    )
