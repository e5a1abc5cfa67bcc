"""What is awaited, and what is said when it does not come (sections 3 to 5 of what was seen)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.standins.kubernetes_provider import conditions
from lab.standins.kubernetes_provider.objects import Objects, Reference
from lab.standins.kubernetes_provider.values import Tree

SKIP = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT = "pulumi.com/timeoutSeconds"
_DEFAULT_SECONDS = 600.0
_CLAIM_SECONDS = 300.0
_SERVICE_SECONDS = 10.0
_POLL_SECONDS = 0.15
_WARNING_SECONDS = 10.0
_TIMED_OUT = "timed out waiting for the condition"

Say = Callable[[str, str], None]
Problems = Callable[[Tree], list[str]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One wait.

    Attributes:
        objects: The cluster's objects.
        where: The object.
        annotations: Its annotations, which may shorten or skip the wait.
        custom_seconds: The user's custom timeout, 0 for none.
        updating: Whether it existed before.
        say: Tells the user: severity and text.
        stopped: Whether the engine gave up.
    """

    objects: Objects
    where: Reference
    annotations: Tree
    custom_seconds: float
    updating: bool
    say: Say
    stopped: Callable[[], bool]

    @property
    def seconds(self) -> float:
        """The longest wait."""
        return float(self.annotations.get(TIMEOUT) or self.custom_seconds or _DEFAULT_SECONDS)


def wait(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    """Wait until the object is ready.

    Returns:
        The object as it is then, and what is wrong with it, nothing when it is ready.
    """
    if str(waiting.annotations.get(SKIP, "")).lower() == "true":
        return live, []
    if expressions := waiting.annotations.get(WAIT_FOR):
        return _until(waiting, live, lambda now: conditions.unmet(expressions, now), _TIMED_OUT)
    waits = {
        "StatefulSet": _stateful_set,
        "Service": _service,
        "PersistentVolumeClaim": _claim,
        "PersistentVolume": _volume,
        "Ingress": _ingress,
    }
    wait_for_kind = waits.get(waiting.where.kind)
    return wait_for_kind(waiting, live) if wait_for_kind else (live, [])


def _until(waiting: Waiting, live: Tree, problems: Problems, *ends: str) -> tuple[Tree, list[str]]:
    """Poll until nothing is the matter, or time is up: then what `ends` say, and what was the matter last."""
    deadline = time.monotonic() + waiting.seconds
    while found := problems(live):
        if time.monotonic() > deadline or waiting.stopped():
            return live, [*ends, *found]
        time.sleep(_POLL_SECONDS)
        answer = waiting.objects.read(waiting.where)
        live = answer.body if answer.ok else live
    return live, []


def _stateful_set(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    deadline, warned = time.monotonic() + waiting.seconds, time.monotonic()
    while True:
        answer = waiting.objects.read(waiting.where)
        live = answer.body if answer.ok else live
        if _is_rolled_out(live):
            return live, []
        if time.monotonic() > deadline or waiting.stopped():
            return live, _stateful_set_problems(waiting, live)
        if time.monotonic() - warned > _WARNING_SECONDS:
            warned = time.monotonic()
            for problem in _pod_problems(waiting):
                waiting.say("warning", problem)
        time.sleep(_POLL_SECONDS)


def _is_rolled_out(live: Tree) -> bool:
    wanted, status = live["spec"].get("replicas", 1), live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 1):
        return False
    if wanted == 0:
        return True
    strategy = live["spec"].get("updateStrategy", {}).get("type", "RollingUpdate")
    current = status.get("updatedReplicas", 0) == wanted or strategy == "OnDelete"
    return bool(current and status.get("readyReplicas", 0) == wanted)


def _stateful_set_problems(waiting: Waiting, live: Tree) -> list[str]:
    name, status, wanted = waiting.where.name, live.get("status", {}), live["spec"].get("replicas", 1)
    problems = [
        f"'{name}' timed out waiting to be Ready",
        f"{status.get('readyReplicas', 0)} out of {wanted} replicas succeeded readiness checks",
    ]
    before, after = status.get("currentRevision"), status.get("updateRevision")
    if waiting.updating and before != after:
        problems.append(f'StatefulSet controller failed to advance from revision "{before}" to revision "{after}"')
    return problems + _pod_problems(waiting)


def _pod_problems(waiting: Waiting) -> list[str]:
    where = waiting.where
    pods = waiting.objects.list(where, "pods", f"app.kubernetes.io/instance={where.name}")
    return [text for pod in pods for text in _problems_of_pod(f"{where.namespace}/{pod['metadata']['name']}", pod)]


def _problems_of_pod(pod_id: str, pod: Tree) -> list[str]:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    unready = [status["name"] for status in statuses if not status.get("ready")]
    problems = [f"[Pod {pod_id}]: containers with unready status: [{' '.join(unready)}]"] if unready else []
    for status in statuses:
        waiting = status.get("state", {}).get("waiting") or {}
        ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            text = f"[{status['name']}][{waiting['reason']}] {waiting.get('message', '')}"
            problems.append(f"[Pod {pod_id}]: {text}")
        if ended:
            said = str(ended.get("message", "")).strip()
            text = f'container "{status["name"]}" completed with exit code {ended.get("exitCode")}'
            problems.append(f"[Pod {pod_id}]: {text}" + (f": {said[-500:]}" if said else ""))
    return problems


def _service(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    """Wait ten seconds for a ClusterIP with a selector, and on until all that it selects is ready (section 4)."""
    spec = live.get("spec", {})
    settled = time.monotonic() + min(_SERVICE_SECONDS, waiting.seconds)
    selects = spec.get("clusterIP") != "None" and spec.get("selector") and spec.get("type") != "ExternalName"
    balances = spec.get("type") == "LoadBalancer"

    def problems(now: Tree) -> list[str]:
        found = []
        if balances and not now.get("status", {}).get("loadBalancer", {}).get("ingress"):
            found.append("Service was not allocated an IP address; does your cloud provider support this?")
        if selects and not spec.get("publishNotReadyAddresses") and _has_unready_endpoints(waiting):
            found.append(
                "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not "
                "match labels on any Pods"
            )
        return found or ([""] if selects and time.monotonic() < settled else [])

    live, found = _until(waiting, live, problems, f"'{waiting.where.name}' timed out waiting to be Ready")
    # A wait that is shorter than the settling time ends with nothing the matter.
    return live, found if any(found[1:]) else []


def _has_unready_endpoints(waiting: Waiting) -> bool:
    selector = f"kubernetes.io/service-name={waiting.where.name}"
    slices = waiting.objects.list(waiting.where, "endpointslices", selector, root="/apis/discovery.k8s.io/v1")
    endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
    return any(not endpoint.get("conditions", {}).get("ready", True) for endpoint in endpoints)


def _volume(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    def problems(now: Tree) -> list[str]:
        return [] if now.get("status", {}).get("phase") in {"Available", "Bound"} else [_TIMED_OUT]

    return _until(waiting, live, problems)


def _ingress(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    def problems(now: Tree) -> list[str]:
        addresses = now.get("status", {}).get("loadBalancer", {}).get("ingress")
        return [] if addresses else ["Ingress .status.loadBalancer field was not updated with a hostname/IP address"]

    return _until(waiting, live, problems, f"'{waiting.where.name}' timed out waiting to be Ready")


def _claim(waiting: Waiting, live: Tree) -> tuple[Tree, list[str]]:
    """Wait until it is bound; the timeout is fixed, no setting changes it."""
    deadline = time.monotonic() + _CLAIM_SECONDS
    while live.get("status", {}).get("phase") != "Bound" and not _waits_for_consumer(waiting, live):
        if time.monotonic() > deadline or waiting.stopped():
            return live, ["timed out waiting to be Ready"]
        time.sleep(_POLL_SECONDS)
        answer = waiting.objects.read(waiting.where)
        live = answer.body if answer.ok else live
    return live, []


def _waits_for_consumer(waiting: Waiting, live: Tree) -> bool:
    name = live["spec"].get("storageClassName")
    if not name:
        return False
    answer = waiting.objects.read(Reference("storage.k8s.io/v1", "StorageClass", None, name))
    return bool(answer.body.get("volumeBindingMode") == "WaitForFirstConsumer")
