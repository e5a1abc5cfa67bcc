"""Following a rollout in the cluster: what is asked, again and again, until the new pod serves or time is over."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.settings import Settings
from headscale_core.defaults import MANAGER, SIDECAR_CONTAINER, SIDECAR_HEALTH_PORT
from headscale_core.policy.lifecycle import crash_hint
from headscale_core.rollout import rollout as rules
from headscale_core.rollout.pod_status import unready_containers
from headscale_core.rollout.rollout import Place, RolloutError
from headscale_core.rollout.stopped import stop_reason

_PAUSE_SECONDS = 0.5
_SAID_EVERY_SECONDS = 15.0
_REQUEST_SECONDS = 5.0
_RECREATE_TRIES = 10
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER_FAULT = 403, 404, 409, 429, 500

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a rollout is to end with.

    Attributes:
        version: Headscale's version, as `v0.29.3`.
        size: The claim's size, a Kubernetes quantity.
        storage_class: The claim's class; None for whatever it has.
        timeout_seconds: How long it may take.
        replicas: How many pods are declared: 1, or 0.
    """

    version: str
    size: str
    storage_class: str | None
    timeout_seconds: float
    replicas: int = 1


class RolloutWatcher:
    """Follows the rollouts of one instance.

    Args:
        cluster: The cluster.
        settings: The instance's connection.
        report: Takes a line about what is waited for, every now and then.
    """

    def __init__(self, cluster: Cluster, settings: Settings, report: Callable[[str], None]) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report
        self._place = Place(settings.namespace, settings.instance)

    def follow(self, target: Target) -> str | None:
        """Wait for the pod of the newest template, a Headscale that answers as its version, and a claim of its size.

        Returns:
            The claim's uid, which tells one database from another; None where there is no claim yet.

        Raises:
            RolloutError: When the time is over, with what the pod says about itself; when the claim can never be so.
            ClusterError: When something may not be read.
        """
        begun, said_at, said = time.monotonic(), time.monotonic(), ""
        while True:
            try:
                waits_for = self._state(target)
            except ClusterError as error:
                if not _may_pass(error):
                    raise
                waits_for = str(error)
            if not waits_for:
                return self._finished(target)
            now = time.monotonic()
            if now - begun >= target.timeout_seconds:
                raise RolloutError(
                    f"{self._place} is not ready after {target.timeout_seconds:.0f} s: {self._reason(waits_for)}; fix "
                    "what it says, or give it more time by `readyTimeout`, and run `pulumi up` again"
                )
            if waits_for != said and now - said_at >= _SAID_EVERY_SECONDS:
                self._report(waits_for)
                said, said_at = waits_for, now
            time.sleep(_PAUSE_SECONDS)

    def _finished(self, target: Target) -> str | None:
        """Record on the PVC which version serves, and return its uid: the next preflight reads both before it begins.

        Who may not annotate the PVC goes without.
        """
        claim = self.claim()
        if claim is None:
            return None
        metadata = claim["metadata"]
        if target.replicas and (metadata.get("annotations") or {}).get(rules.SERVED_VERSION) != target.version:
            answer = self._cluster.request(
                "PATCH",
                self._path("v1", "persistentvolumeclaims", self._place.claim),
                body={"metadata": {"annotations": {rules.SERVED_VERSION: target.version}}},
                params={"fieldManager": MANAGER},
                content_type="application/merge-patch+json",
            )
            if not answer.ok and answer.status not in {_FORBIDDEN, _NOT_FOUND}:
                raise answer.error(f"claim {self._place.namespace}/{self._place.claim} cannot be annotated")
        return str(metadata["uid"])

    def is_settled(self, target: Target) -> bool:
        """Return whether everything is as a rollout is to end, at this moment."""
        return not self._state(target, grow=False)

    def stopped(self) -> str:
        """Return why the pod does not run, empty where it does.

        Raises:
            ClusterError: When StatefulSet or pod cannot be read.
        """
        stateful_set = self._get("apps/v1", "statefulsets", self._place.instance)
        if stateful_set is None:
            return f"there is no StatefulSet {self._place}"
        reason = stop_reason(stateful_set, self._get("v1", "pods", self._place.pod), needs_ready=True)
        return reason.why if reason else ""

    def claim_uid(self) -> str | None:
        """Return the uid of the claim, None where there is none.

        Raises:
            ClusterError: When it cannot be read.
        """
        claim = self.claim()
        return str(claim["metadata"]["uid"]) if claim else None

    def delete_claim(self, place: Place, uid: str) -> None:
        """Delete a claim with its data; one that is gone, or another one by now, is done.

        Raises:
            ClusterError: When it cannot be deleted.
        """
        answer = self._cluster.request(
            "DELETE",
            f"/api/v1/namespaces/{place.namespace}/persistentvolumeclaims/{place.claim}",
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}},
        )
        if not answer.ok and answer.status not in {_NOT_FOUND, _CONFLICT}:
            raise answer.error(f"claim {place.namespace}/{place.claim} cannot be deleted")

    def _state(self, target: Target, *, grow: bool = True) -> str:
        claim, stateful_set = self.claim(), self._get("apps/v1", "statefulsets", self._place.instance)
        if claim is not None and grow:
            if stateful_set and rules.must_recreate_pvc(claim, stateful_set, target.size, target.storage_class):
                self._recreate(claim, target)
            else:
                self._grow(claim, target)
        pod = self._get("v1", "pods", self._place.pod)
        problem = rules.pod_state(self._place, stateful_set, pod, (), replicas=target.replicas)
        if problem:
            # Events are read where they may tell why.
            return rules.pod_state(self._place, stateful_set, pod, self._events(), replicas=target.replicas)
        if pod is None:
            return ""
        if wrong := self._wrong_version(target.version):
            return wrong
        if claim is None:
            return ""
        return rules.growth_state(self._place, claim, target.size, ()) and rules.growth_state(
            self._place, claim, target.size, self._events()
        )

    def _grow(self, claim: Object, target: Target) -> None:
        """Ask for a larger claim where it is declared larger than it is asked for now."""
        if problem := rules.claim_problem(self._place, claim, target.size, target.storage_class):
            raise RolloutError(problem)
        asked = claim["spec"]["resources"]["requests"]["storage"]
        if rules.quantity(target.size) == rules.quantity(asked):
            return
        answer = self._cluster.request(
            "PATCH",
            self._path("v1", "persistentvolumeclaims", self._place.claim),
            body={"spec": {"resources": {"requests": {"storage": target.size}}}},
            params={"fieldManager": MANAGER},
            content_type="application/merge-patch+json",
        )
        if not answer.ok:
            raise RolloutError(
                f"claim {self._place.namespace}/{self._place.claim} cannot grow from {asked} to {target.size}: "
                f"{answer.message}; see `allowVolumeExpansion` of its storage class, or write `size: {asked}`"
            )

    def _recreate(self, claim: Object, target: Target) -> None:
        """Put the declared claim in the place of one that never had a volume.

        One that has got a volume meanwhile is another by then, and stays. Where the StatefulSet's controller makes
        it by its template first, this is done again.
        """
        place, seen = self._place, {name: claim["metadata"][name] for name in ("uid", "resourceVersion")}
        answer = self._cluster.request(
            "DELETE",
            self._path("v1", "persistentvolumeclaims", place.claim),
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen},
        )
        body = rules.recreated_pvc(claim, target.size, target.storage_class)
        for _ in range(_RECREATE_TRIES):
            if not answer.ok and answer.status not in {_NOT_FOUND, _CONFLICT}:
                raise ClusterError(
                    f"claim {place.namespace}/{place.claim}, which never had a volume, cannot be recreated: "
                    f"{answer.message}",
                    answer.status,
                )
            answer = self._cluster.request("POST", self._path("v1", "persistentvolumeclaims", ""), body=body)
            if answer.ok:
                self._report(f"claim {place.namespace}/{place.claim} never had a volume, and was recreated as declared")
                return
            time.sleep(_PAUSE_SECONDS)

    def _reason(self, waits_for: str) -> str:
        """Return what keeps the pod, in the sidecar's own words where it is that, and a way out if one is known."""
        if hint := crash_hint(waits_for):
            return f"{waits_for}; {hint}"
        pod = self._get("v1", "pods", self._place.pod)
        if pod is None or unready_containers(pod) != [SIDECAR_CONTAINER]:
            return waits_for
        try:
            status, text = self._ask(SIDECAR_HEALTH_PORT, "/readyz", tls=False)
        except (ClusterError, OSError, http.client.HTTPException) as error:
            return f"{waits_for}; the sidecar could not be asked why ({error})"
        return waits_for if status == http.client.OK else f"{waits_for}; {SIDECAR_CONTAINER}: {text.strip()}"

    def _wrong_version(self, version: str) -> str:
        """Return what is wrong with what answers; Headscale tells its version from 0.27 on."""
        try:
            status, text = self._ask(self._settings.http_port, "/version", tls=self._settings.tls)
            answered = json.loads(text).get("version") if status == http.client.OK else None
        except ClusterError as error:
            if error.status == _FORBIDDEN:
                return ""
            return f"Headscale cannot be asked for its version: {error}"
        except (OSError, http.client.HTTPException) as error:
            return f"Headscale does not answer: {error}"
        except (ValueError, AttributeError):
            return ""
        if not isinstance(answered, str) or not answered.startswith("v") or answered == version:
            return ""
        return f"Headscale answers as {answered} and not as {version}: does `image` hold another version?"

    def _ask(self, port: int, path: str, *, tls: bool) -> tuple[int, str]:
        """Return status and text of a GET to a port in the pod."""
        with self._cluster.port_forward(self._place.pod, self._place.namespace, port) as local:
            connection = http.client.HTTPConnection("127.0.0.1", local, timeout=_REQUEST_SECONDS)
            try:
                connection.connect()
                if tls:
                    # The certificate bears the public name; the port-forward ends in this very pod.
                    trust = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
                    name = self._settings.server_name or "localhost"
                    connection.sock = trust.wrap_socket(connection.sock, server_hostname=name)
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode(errors="replace")
            finally:
                connection.close()

    def claim(self) -> Object | None:
        """Return the claim, None where there is none.

        Raises:
            ClusterError: When it cannot be read.
        """
        return self._get("v1", "persistentvolumeclaims", self._place.claim)

    def _events(self) -> Sequence[Object]:
        answer = self._cluster.request("GET", self._path("v1", "events", ""), params={"limit": "500"})
        return answer.body.get("items") or () if answer.ok else ()

    def _get(self, version: str, kind: str, name: str) -> Object | None:
        answer = self._cluster.request("GET", self._path(version, kind, name))
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            raise answer.error(f"{kind} {self._place.namespace}/{name} cannot be read")
        return answer.body

    def _path(self, version: str, kind: str, name: str) -> str:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self._place.namespace}/{kind}/{name}".rstrip("/")


def _may_pass(error: ClusterError) -> bool:
    """Return whether an API server may answer otherwise in a moment: it does not answer, or is busy."""
    status = error.status or 0
    return isinstance(error, ClusterUnreachable) or status == _TOO_MANY or status >= _SERVER_FAULT
