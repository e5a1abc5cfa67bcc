"""Whether an instance's Headscale can be asked, by its StatefulSet and its pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headscale_core.rollout.pod_status import is_ready, pod_problem

Object = Mapping[str, Any]

_HEADSCALE = "headscale"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why Headscale does not run.

    Attributes:
        why: What keeps the pod, with the command to run next.
        replicas: How many pods the StatefulSet is to have.
        may_start: Whether there is a pod that may become ready by itself.
    """

    why: str
    replicas: int
    may_start: bool


def stop_reason(stateful_set: Object, pod: Object | None, *, needs_ready: bool) -> Stopped | None:
    """Return why Headscale does not run, None where it does.

    Args:
        stateful_set: The instance's StatefulSet.
        pod: Its pod, None where there is none.
        needs_ready: Whether the whole pod has to be ready. Where not, a Headscale that is ready is enough as long as
            the other containers run: a sidecar that is not ready relays all the same.
    """
    metadata, replicas = stateful_set["metadata"], int(stateful_set["spec"].get("replicas", 1))
    namespace, name = metadata["namespace"], metadata["name"]
    if pod is None:
        why = f"pod {namespace}/{name}-0 does not exist: "
        if not replicas:
            return Stopped(f"{why}StatefulSet {namespace}/{name} is scaled to 0", replicas, may_start=False)
        return Stopped(f"{why}see `kubectl describe statefulset {name} -n {namespace}`", replicas, may_start=False)
    if is_ready(pod) or (not needs_ready and _can_be_tried(pod)):
        return None
    return Stopped(pod_problem(pod), replicas, may_start=replicas > 0)


def _can_be_tried(pod: Object) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    containers = pod.get("status", {}).get("containerStatuses") or ()
    return all("running" in value.get("state", {}) for value in containers) and any(
        value["name"] == _HEADSCALE and value.get("ready") for value in containers
    )
