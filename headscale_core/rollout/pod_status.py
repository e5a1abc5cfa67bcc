"""What keeps a pod or a PVC from being ready, by the objects and Events of the API server.

Everything here is a pure function of what `kubectl get -o json` shows: phases, conditions and states of containers are
those of https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from headscale_core.defaults import LOCAL_IMAGES

Object = Mapping[str, Any]

_LONGEST_MESSAGE = 400
_ENDED_WELL = 0
_NO_CAUSE = {"MissingClusterDNS", "DNSConfigForming"}
"""Warnings of kubelet about a pod that starts all the same."""


class _Problem(NamedTuple):
    rank: int
    text: str


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
    # The API server lists containers by name; the first that is declared is what others wait for.
    declared = [value["name"] for value in pod.get("spec", {}).get("containers", [])]
    running = sorted(status.get("containerStatuses", []), key=lambda value: _place_in(declared, value["name"]))
    containers = (*status.get("initContainerStatuses", []), *running)
    problems = [problem for value in containers if (problem := _container_problem(namespace, name, value))]
    if problems:
        # One that crashes is why others are not ready.
        return min(problems, key=lambda problem: problem.rank).text
    if is_ready(pod):
        return ""
    reason = _short(status.get("message") or status.get("reason"))
    return f"{where} is {status.get('phase', 'Unknown')}{f': {reason}' if reason else ''}"


def _place_in(declared: Sequence[str], name: str) -> int:
    return declared.index(name) if name in declared else len(declared)


def is_ready(pod: Object) -> bool:
    """Return whether a pod is ready, and not about to go."""
    ready = condition(pod, "Ready")
    return not pod["metadata"].get("deletionTimestamp") and bool(ready) and ready.get("status") == "True"


def condition(thing: Object, kind: str) -> Object:
    """Return a condition of an object, empty where it has none of this kind."""
    found: Iterable[Object] = thing.get("status", {}).get("conditions") or ()
    return next((value for value in found if value.get("type") == kind), {})


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
    warnings = [event for event in about if event.get("type") == "Warning" and event.get("reason") not in _NO_CAUSE]
    if not warnings:
        return ""
    newest = max(warnings, key=_event_time)
    return f"{newest.get('reason')}: {_short(newest.get('message'))}"


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _container_problem(namespace: str, pod: str, container: Object) -> _Problem | None:
    where = f"container `{container['name']}` of pod {namespace}/{pod}"
    logs = f"kubectl logs {pod} -n {namespace} -c {container['name']}"
    state = container.get("state", {})
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
    failed = ended and ended.get("exitCode") != _ENDED_WELL and not container.get("ready")
    if waiting.get("reason") == "CrashLoopBackOff" or failed:
        output = str(ended.get("message") or "").strip()[-_LONGEST_MESSAGE:]
        return _Problem(0, f"{where} crashes (exit code {ended.get('exitCode')}): {output}; see `{logs} --previous`")
    if waiting.get("reason") in {"ContainerCreating", "PodInitializing"}:
        return _Problem(2, f"{where} waits: {waiting['reason']}")
    if waiting:
        reason = f"{waiting.get('reason')}: {_short(waiting.get('message'))}"
        return _Problem(1, f"{where} waits: {reason}{_image_hint(container)}")
    if "running" in state and not container.get("ready"):
        return _Problem(3, f"{where} runs and is not ready; see `{logs}`")
    return None


def _image_hint(container: Object) -> str:
    """Return what to do about an image that no registry serves: the default of a checkout."""
    image = str(container.get("image", ""))
    if not image.startswith(LOCAL_IMAGES):
        return ""
    return (
        f"; no registry serves {image}: build it from images/sidecar/Dockerfile, and either load it into the nodes "
        "(`kind load`, `k3d image import`, `minikube image load`) or push it to a registry and set "
        "`apiKey.managerImage` to its name there"
    )


def _short(text: object) -> str:
    return " ".join(str(text or "").split())[:_LONGEST_MESSAGE]
