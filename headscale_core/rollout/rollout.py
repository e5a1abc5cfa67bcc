"""The rules of a rollout: when a StatefulSet's new pod counts, and what happens at a move to another database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headscale_core.defaults import pvc_name
from headscale_core.errors import HeadscaleError
from headscale_core.rollout.pod_status import condition, last_warning, pod_problem

Object = Mapping[str, Any]


class RolloutError(HeadscaleError):
    """A rollout that did not complete, with the reason."""


@dataclass(frozen=True, slots=True)
class InstanceLocation:
    """Namespace and name of an instance, as its stack declares them.

    Attributes:
        namespace: Its namespace.
        instance: Its name, which is the name of its StatefulSet.
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


@dataclass(frozen=True, slots=True)
class DesiredRollout:
    """What a rollout is to end with.

    Attributes:
        version: Headscale's version, as `v0.29.3`.
        size: The PVC's size, a Kubernetes quantity.
        storage_class: The PVC's class; None for whatever it has.
        timeout_seconds: How long it may take.
        replicas: How many pods are declared: 1, or 0.
    """

    version: str
    size: str
    storage_class: str | None
    timeout_seconds: float
    replicas: int = 1


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
    # A pod that has no node yet waits for its PVC, whose own warning is more specific than the scheduler's.
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
    # The message of a container is more specific than that of its probe.
    return f"{problem} ({warning})" if warning and "crashes" not in problem and warning not in problem else problem


def move_warning(old: InstanceLocation, new: InstanceLocation, *, retain: bool, elsewhere: bool) -> str:
    """Return the warning that an instance will answer from another database.

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
