"""What keeps a pod or a claim from being ready, told from the objects and Events of the API server.

Everything here is a pure function of what `kubectl get -o json` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

_LONGEST_MESSAGE = 400
_ENDED_WELL = 0


def pod_problem(pod: Object) -> str:
    """Return what keeps a pod from being ready, with the command to run next; empty where it is ready.

    Args:
        pod: The pod.
    """
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    where = f"pod {namespace}/{name}"
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return f"{where} is being deleted"
    if (unscheduled := condition(pod, "PodScheduled")) and unscheduled.get("status") == "False":
        return f"{where} cannot be scheduled: {_short(unscheduled.get('message'))}"
    containers = _in_order_of_weight(pod)
    if problem := next(filter(None, (_container_problem(namespace, name, its) for its in containers)), ""):
        return problem
    if is_ready(pod):
        return ""
    reason = _short(status.get("message") or status.get("reason"))
    return f"{where} is {status.get('phase', 'Unknown')}{f': {reason}' if reason else ''}"


def is_ready(pod: Object) -> bool:
    """Return whether a pod is ready, and not about to go."""
    ready = condition(pod, "Ready")
    return not pod["metadata"].get("deletionTimestamp") and bool(ready) and ready.get("status") == "True"


def condition(thing: Object, kind: str) -> Object:
    """Return a condition of an object, empty where it has none of this kind."""
    found: Iterable[Object] = thing.get("status", {}).get("conditions") or ()
    return next((its for its in found if its.get("type") == kind), {})


def unready_containers(pod: Object) -> list[str]:
    """Return the names of the containers that run and are not ready."""
    return [
        container["name"]
        for container in pod.get("status", {}).get("containerStatuses", [])
        if "running" in container.get("state", {}) and not container.get("ready")
    ]


def last_warning(events: Sequence[Object], name: str) -> str:
    """Return the newest Warning about an object, empty where there is none.

    Args:
        events: Events of the namespace.
        name: The object's name.
    """
    about = [event for event in events if event.get("involvedObject", {}).get("name") == name]
    warnings = [event for event in about if event.get("type") == "Warning"]
    if not warnings:
        return ""
    newest = max(warnings, key=_event_time)
    return f"{newest.get('reason')}: {_short(newest.get('message'))}"


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _in_order_of_weight(pod: Object) -> list[Object]:
    """Return the statuses of the containers: those that end before those that wait, and these before those that run.

    Of those alike, the first that is declared comes first: the others may wait for it.
    """
    declared = [its["name"] for its in pod.get("spec", {}).get("containers", [])]
    status = pod.get("status", {})
    containers = sorted(
        status.get("containerStatuses", []),
        key=lambda its: declared.index(its["name"]) if its["name"] in declared else len(declared),
    )

    def weight(container: Object) -> int:
        if _crash(container):
            return 0
        return 1 if "waiting" in container.get("state", {}) else 2

    return sorted([*status.get("initContainerStatuses", []), *containers], key=weight)


def _crash(container: Object) -> Object:
    """Return how a container ended that does not stay up, empty where it does."""
    state = container.get("state", {})
    ended: Object = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
    in_loop = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    failed = ended.get("exitCode", _ENDED_WELL) != _ENDED_WELL and not container.get("ready")
    return ended or {"exitCode": "unknown"} if in_loop else ended if failed else {}


def _container_problem(namespace: str, pod: str, container: Object) -> str:
    where = f"container `{container['name']}` of pod {namespace}/{pod}"
    logs = f"`kubectl logs {pod} -n {namespace} -c {container['name']}`"
    state = container.get("state", {})
    waiting = state.get("waiting") or {}
    if ended := _crash(container):
        said = str(ended.get("message") or "").strip()[-_LONGEST_MESSAGE:]
        return f"{where} crashes (exit code {ended.get('exitCode')}): {said}; see {logs[:-1]} --previous`"
    if waiting and waiting.get("reason") not in {"ContainerCreating", "PodInitializing"}:
        return f"{where} waits: {waiting.get('reason')}: {_short(waiting.get('message'))}"
    if waiting:
        return f"{where} waits: {waiting.get('reason')}"
    if "running" in state and not container.get("ready"):
        return f"{where} runs and is not ready; see {logs}"
    return ""


def _short(text: object) -> str:
    return " ".join(str(text or "").split())[:_LONGEST_MESSAGE]
