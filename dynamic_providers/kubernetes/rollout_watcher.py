"""Following a rollout in the cluster: what is asked, again and again, until the new pod serves or time is over."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.settings import Settings
from headscale_core.defaults import MANAGER, SIDECAR_CONTAINER, SIDECAR_HEALTH_PORT
from headscale_core.policy.lifecycle import crash_hint
from headscale_core.rollout import pvc as pvc_rules
from headscale_core.rollout import rollout as rules
from headscale_core.rollout.pod_status import unready_containers
from headscale_core.rollout.rollout import DesiredRollout, InstanceLocation, RolloutError
from headscale_core.rollout.stopped import stop_reason

_PAUSE_SECONDS = 0.5
_REPORT_EVERY_SECONDS = 15.0
_REQUEST_SECONDS = 5.0
_RECREATE_TRIES = 200
_RECREATE_PAUSE_SECONDS = 0.01
"""Short, because the StatefulSet's controller creates the PVC again as soon as the scheduler has tried the pod."""
_TERMINATING = "object is being deleted"
"""How the API server refuses a name whose object waits for its finalizers (`Create` in
https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/registry/generic/registry/store.go)."""
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER_FAULT = 403, 404, 409, 429, 500

Object = Mapping[str, Any]


class RolloutWatcher:
    """Follows the rollouts of one instance.

    Args:
        cluster: The cluster.
        settings: The instance's connection.
        report: Takes a line about what is waited for, every now and then.
    """

    def __init__(self, cluster: Cluster, settings: Settings, report: Callable[[str], None]) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report
        self._location = InstanceLocation(settings.namespace, settings.instance)

    def wait(self, desired: DesiredRollout) -> str | None:
        """Wait for the pod of the newest template, a Headscale that answers as its version, and a PVC of its size.

        Returns:
            The PVC's uid, which identifies the database; None where there is no PVC yet.

        Raises:
            RolloutError: When the time is over, with the pod's reason; when the PVC can never become as declared.
            ClusterError: When something may not be read.
        """
        begun, reported_at, reported = time.monotonic(), time.monotonic(), ""
        while True:
            try:
                waits_for = self._state(desired)
            except ClusterError as error:
                if not _is_transient(error):
                    raise
                waits_for = str(error)
            if not waits_for:
                return self._finished(desired)
            now = time.monotonic()
            if now - begun >= desired.timeout_seconds:
                raise RolloutError(
                    f"{self._location} is not ready after {desired.timeout_seconds:.0f} s: {self._reason(waits_for)}; "
                    "fix what it says, or give it more time by `readyTimeout`, and run `pulumi up` again"
                )
            if waits_for != reported and now - reported_at >= _REPORT_EVERY_SECONDS:
                self._report(waits_for)
                reported, reported_at = waits_for, now
            time.sleep(_PAUSE_SECONDS)

    def _finished(self, desired: DesiredRollout) -> str | None:
        """Record on the PVC which version serves, and return its uid: the next preflight reads both before it begins.

        Who may not annotate the PVC goes without.
        """
        pvc = self.pvc()
        if pvc is None:
            return None
        metadata = pvc["metadata"]
        if desired.replicas and (metadata.get("annotations") or {}).get(pvc_rules.SERVED_VERSION) != desired.version:
            answer = self._cluster.request(
                "PATCH",
                self._path("v1", "persistentvolumeclaims", self._location.pvc),
                body={"metadata": {"annotations": {pvc_rules.SERVED_VERSION: desired.version}}},
                params={"fieldManager": MANAGER},
                content_type="application/merge-patch+json",
            )
            if not answer.ok and answer.status not in {_FORBIDDEN, _NOT_FOUND}:
                raise answer.error(f"PVC {self._location.namespace}/{self._location.pvc} cannot be annotated")
        return str(metadata["uid"])

    def is_settled(self, desired: DesiredRollout) -> bool:
        """Return whether the rollout is complete now."""
        return not self._state(desired, resize=False)

    def stopped(self) -> str:
        """Return why the pod does not run, empty where it does.

        Raises:
            ClusterError: When StatefulSet or pod cannot be read.
        """
        stateful_set = self._get("apps/v1", "statefulsets", self._location.instance)
        if stateful_set is None:
            return f"there is no StatefulSet {self._location}"
        reason = stop_reason(stateful_set, self._get("v1", "pods", self._location.pod), needs_ready=True)
        return reason.why if reason else ""

    def pvc_uid(self) -> str | None:
        """Return the uid of the PVC, None where there is none.

        Raises:
            ClusterError: When it cannot be read.
        """
        pvc = self.pvc()
        return str(pvc["metadata"]["uid"]) if pvc else None

    def delete_pvc(self, location: InstanceLocation, uid: str) -> None:
        """Delete a PVC with its data; one that is gone, or another one by now, is done.

        Raises:
            ClusterError: When it cannot be deleted.
        """
        answer = self._cluster.request(
            "DELETE",
            f"/api/v1/namespaces/{location.namespace}/persistentvolumeclaims/{location.pvc}",
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}},
        )
        if not answer.ok and answer.status not in {_NOT_FOUND, _CONFLICT}:
            raise answer.error(f"PVC {location.namespace}/{location.pvc} cannot be deleted")

    def _state(self, desired: DesiredRollout, *, resize: bool = True) -> str:
        pvc, stateful_set = self.pvc(), self._get("apps/v1", "statefulsets", self._location.instance)
        if pvc is not None and resize:
            if stateful_set and pvc_rules.must_recreate_pvc(pvc, stateful_set, desired.size, desired.storage_class):
                self._recreate(pvc, desired)
            else:
                self._resize_pvc(pvc, desired)
        pod = self._get("v1", "pods", self._location.pod)
        problem = rules.pod_state(self._location, stateful_set, pod, (), replicas=desired.replicas)
        if problem:
            # Events are read only where they may have the reason.
            return rules.pod_state(self._location, stateful_set, pod, self._events(), replicas=desired.replicas)
        if pod is None:
            return ""
        if wrong := self._wrong_version(desired.version):
            return wrong
        if pvc is None:
            return ""
        return pvc_rules.resize_state(self._location, pvc, desired.size, ()) and pvc_rules.resize_state(
            self._location, pvc, desired.size, self._events()
        )

    def _resize_pvc(self, pvc: Object, desired: DesiredRollout) -> None:
        """Ask for a larger PVC where it is declared larger than it is asked for now."""
        if problem := pvc_rules.pvc_problem(self._location, pvc, desired.size, desired.storage_class):
            raise RolloutError(problem)
        asked = pvc["spec"]["resources"]["requests"]["storage"]
        if pvc_rules.quantity(desired.size) == pvc_rules.quantity(asked):
            return
        answer = self._cluster.request(
            "PATCH",
            self._path("v1", "persistentvolumeclaims", self._location.pvc),
            body={"spec": {"resources": {"requests": {"storage": desired.size}}}},
            params={"fieldManager": MANAGER},
            content_type="application/merge-patch+json",
        )
        if not answer.ok:
            raise RolloutError(
                f"PVC {self._location.namespace}/{self._location.pvc} cannot grow from {asked} to {desired.size}: "
                f"{answer.message}; see `allowVolumeExpansion` of its storage class, or write `size: {asked}`"
            )

    def _recreate(self, pvc: Object, desired: DesiredRollout) -> None:
        """Recreate as declared a PVC that was never bound to a volume.

        One that has got a volume meanwhile has another resourceVersion, and stays. The StatefulSet's controller may
        create it by its template first; the next look at the rollout finds that one, and deletes it in turn.
        """
        location, seen = self._location, {name: pvc["metadata"][name] for name in ("uid", "resourceVersion")}
        answer = self._cluster.request(
            "DELETE",
            self._path("v1", "persistentvolumeclaims", location.pvc),
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen},
        )
        body = pvc_rules.recreated_pvc(pvc, desired.size, desired.storage_class)
        for _ in range(_RECREATE_TRIES):
            if not answer.ok and answer.status not in {_NOT_FOUND, _CONFLICT}:
                raise ClusterError(
                    f"PVC {location.namespace}/{location.pvc}, which never had a volume, cannot be recreated: "
                    f"{answer.message}",
                    answer.status,
                )
            answer = self._cluster.request("POST", self._path("v1", "persistentvolumeclaims", ""), body=body)
            if answer.ok:
                self._report(
                    f"PVC {location.namespace}/{location.pvc} never had a volume, and was recreated as declared"
                )
                return
            if answer.status == _CONFLICT and _TERMINATING not in answer.message:
                return
            time.sleep(_RECREATE_PAUSE_SECONDS)

    def _reason(self, waits_for: str) -> str:
        """Return why the pod is not ready, with the sidecar's own reason, and a hint if one is known."""
        if hint := crash_hint(waits_for):
            return f"{waits_for}; {hint}"
        pod = self._get("v1", "pods", self._location.pod)
        if pod is None or unready_containers(pod) != [SIDECAR_CONTAINER]:
            return waits_for
        try:
            status, text = self._get_from_pod(SIDECAR_HEALTH_PORT, "/readyz", tls=False)
        except (ClusterError, OSError, http.client.HTTPException) as error:
            return f"{waits_for}; the sidecar could not be asked why ({error})"
        return waits_for if status == http.client.OK else f"{waits_for}; {SIDECAR_CONTAINER}: {text.strip()}"

    def _wrong_version(self, version: str) -> str:
        """Return why the version that answers is wrong; Headscale reports its version from 0.27 on."""
        try:
            status, text = self._get_from_pod(self._settings.http_port, "/version", tls=self._settings.tls)
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

    def _get_from_pod(self, port: int, path: str, *, tls: bool) -> tuple[int, str]:
        """Return status and text of a GET to a port in the pod."""
        with self._cluster.port_forward(self._location.pod, self._location.namespace, port) as local:
            connection = http.client.HTTPConnection("127.0.0.1", local, timeout=_REQUEST_SECONDS)
            try:
                connection.connect()
                if tls:
                    # The certificate has the public name; the port-forward ends in this very pod.
                    trust = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
                    name = self._settings.server_name or "localhost"
                    connection.sock = trust.wrap_socket(connection.sock, server_hostname=name)
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode(errors="replace")
            finally:
                connection.close()

    def pvc(self) -> Object | None:
        """Return the PVC, None where there is none.

        Raises:
            ClusterError: When it cannot be read.
        """
        return self._get("v1", "persistentvolumeclaims", self._location.pvc)

    def _events(self) -> Sequence[Object]:
        answer = self._cluster.request("GET", self._path("v1", "events", ""), params={"limit": "500"})
        return answer.body.get("items") or () if answer.ok else ()

    def _get(self, version: str, kind: str, name: str) -> Object | None:
        answer = self._cluster.request("GET", self._path(version, kind, name))
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            raise answer.error(f"{kind} {self._location.namespace}/{name} cannot be read")
        return answer.body

    def _path(self, version: str, kind: str, name: str) -> str:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self._location.namespace}/{kind}/{name}".rstrip("/")


def _is_transient(error: ClusterError) -> bool:
    """Return whether a failure is transient: the API server does not answer, or is busy."""
    status = error.status or 0
    return isinstance(error, ClusterUnreachable) or status == _TOO_MANY or status >= _SERVER_FAULT
