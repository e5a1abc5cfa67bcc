"""The registry of the users that a stack created or adopted: an annotation of the PVC that holds the database.

It is written whole with the PVC's resourceVersion, so that of two programs on one instance neither
overwrites the other's (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import errors
from dynamic_providers.kubernetes.cluster import Answer, Cluster
from dynamic_providers.kubernetes.cluster_identity import ClusterIdentity
from dynamic_providers.kubernetes.errors import FORBIDDEN, NOT_FOUND
from dynamic_providers.retry import CONFLICT
from headscale_core.defaults import MANAGER, PREFIX, pvc_name
from headscale_core.rollout.rollout import InstanceLocation

USERS_ANNOTATION = "headscale-component/users"
REVOKE_ANNOTATION = "headscale-component/revoke"
"""Annotation of the PVC that lists keys that are to be revoked; see `headscale_core.keys.revocation`."""

_INCOMPLETE = "*"
"""Is among the names where there was no room for all of them; no user can have this name."""

_ROOM_BYTES = 240 * 1024
"""Kubernetes takes 256 KiB of annotations of an object, all of them together; others write some too."""

_NO_REGISTRY = (FORBIDDEN, NOT_FOUND)
_TOO_LARGE = "Too long"


@dataclass
class _Batch:
    """What one write does: whether each name is to be in the registry; and how it went."""

    changes: dict[str, bool] = field(default_factory=dict)
    is_done: bool = False
    error: ClusterError | None = None


class PvcUserRegistry:
    """The user registry of an instance; safe to share between threads.

    It is kept where the PVC is reachable. Without permission for it, or where no cluster is expected (a Headscale
    outside of one), none is kept. Threads that write at the same time share one request, and its failure.

    Attributes:
        identity: Whether the PVC is in the cluster that is recorded in the state.

    Args:
        cluster: The cluster.
        namespace: The instance's namespace.
        instance: The instance.
        annotation: The annotation.
        needs_cluster: Whether a cluster that does not answer is a failure.
        warn: Takes a sentence that a person should see.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        instance: str,
        *,
        annotation: str = USERS_ANNOTATION,
        needs_cluster: bool = True,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._cluster, self._annotation, self._needs_cluster, self._warn = cluster, annotation, needs_cluster, warn
        self.identity = ClusterIdentity(cluster, InstanceLocation(namespace, instance))
        self._what = f"annotation `{annotation}` of PVC {namespace}/{pvc_name(instance)}"
        self._pvc = f"{namespace}/{pvc_name(instance)}"
        self._path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{pvc_name(instance)}"
        self._lock = threading.Lock()
        """Held by the one thread that reads or writes the PVC."""
        self._turn = threading.Condition()
        self._next, self._is_writing = _Batch(), False
        self._names: set[str] | None = None
        self._others_bytes = 0
        self._version: str | None = None
        self._is_kept = True

    def names(self) -> set[str]:
        """Return the names in the registry; none where no registry is kept."""
        names = self._names
        if names is None:
            with self._lock:
                names = self._read()
        return names

    def contains(self, name: str) -> bool | None:
        """Return whether a user is in the registry; None where that is not known: none is kept, or it is incomplete."""
        names = self.names()
        if not self._is_kept:
            return None
        return name in names or (None if _INCOMPLETE in names else False)

    def add(self, *names: str) -> None:
        """Add users; they are written when this returns."""
        self._change(names, is_added=True)

    def remove(self, *names: str) -> None:
        """Remove users."""
        self._change(names, is_added=False)

    def has_pvc(self) -> bool:
        """Return whether the PVC is there."""
        return self._read_pvc() is not None

    def is_found(self, user: str | None = None) -> bool:
        """Return whether the PVC is there with an annotation of this component, which proves the cluster.

        Args:
            user: A user that has to be in the registry; None where any annotation will do.
        """
        answer = self._read_pvc()
        if answer is None:
            return False
        names = _names_in(answer, self._annotation)
        if user is None:
            return any(key.startswith(PREFIX) for key in _annotations(answer))
        return user in names or _INCOMPLETE in names

    def _read_pvc(self) -> Answer | None:
        with self._lock:
            answer = self._cluster.request("GET", self._path)
        if answer.status == NOT_FOUND:
            return None
        if not answer.ok:
            raise answer.error(f"PVC {self._pvc} cannot be read")
        return answer

    def _change(self, names: Collection[str], *, is_added: bool) -> None:
        """Have names written, with those of other threads that come in the meantime; return when it is."""
        with self._turn:
            batch = self._next
            batch.changes |= dict.fromkeys(names, is_added)
            self._turn.wait_for(lambda: batch.is_done or not self._is_writing)
            if not batch.is_done:
                self._is_writing, self._next = True, _Batch()
        if not batch.is_done:
            self._commit(batch)
        if batch.error:
            raise ClusterError(str(batch.error), batch.error.status)

    def _commit(self, batch: _Batch) -> None:
        batch.error = ClusterError(f"{self._what} was not written")
        try:
            with self._lock:
                self._write(batch.changes)
            batch.error = None
        except ClusterError as error:
            batch.error = error
        finally:
            with self._turn:
                batch.is_done, self._is_writing = True, False
                self._turn.notify_all()

    def _read(self) -> set[str]:
        if self._names is not None:
            return self._names
        try:
            answer = self._cluster.request("GET", self._path)
        except ClusterError:
            if self._needs_cluster:
                raise
            self._is_kept, self._names = False, set()
            return self._names
        self._is_kept = answer.ok
        if not answer.ok and answer.status not in _NO_REGISTRY:
            raise answer.error(f"{self._what} cannot be read")
        return self._take(answer)

    def _take(self, answer: Answer) -> set[str]:
        """Cache the annotation of a PVC."""
        self._names = _names_in(answer, self._annotation) if answer.ok else set()
        self._version = answer.body.get("metadata", {}).get("resourceVersion") if answer.ok else None
        annotations = _annotations(answer) if answer.ok else {}
        others = {key: value for key, value in annotations.items() if key != self._annotation}
        self._others_bytes = sum(len(key.encode()) + len(value.encode()) for key, value in others.items())
        return self._names

    def _write(self, changes: Mapping[str, bool]) -> None:
        """Write changes, and retry on a conflict.

        Raises:
            ClusterError: When the PVC cannot be read or written.
        """
        try:
            CONFLICT.call(lambda: self._write_once(changes), _is_outdated)
        except ClusterError as error:
            if error.status != errors.CONFLICT:
                raise
            raise ClusterError(
                f"{self._what} cannot be written: other programs keep changing it; run `pulumi up` again", error.status
            ) from None

    def _write_once(self, changes: Mapping[str, bool]) -> None:
        names = self._read()
        desired = self._with_room(names, names - _of(changes, is_added=False) | _of(changes, is_added=True))
        if not self._is_kept or desired == names:
            return
        answer = self._patch(desired)
        if answer.ok:
            self._take(answer)
            return
        if answer.status in _NO_REGISTRY:
            self._is_kept = False
            return
        if _TOO_LARGE in answer.message:
            if _INCOMPLETE in desired:
                # Not even that has room.
                self._names = desired
                return
            self._others_bytes = _ROOM_BYTES
        if answer.status == errors.CONFLICT:
            self._names = None
        raise answer.error(f"{self._what} cannot be written")

    def _with_room(self, names: set[str], desired: set[str]) -> set[str]:
        """Return what fits into the PVC; more users than that are left out."""
        has_room = _INCOMPLETE not in names and self._others_bytes + len(_text(desired)) <= _ROOM_BYTES
        if desired <= names or has_room:
            return desired
        if _INCOMPLETE not in names:
            self._warn(
                f"PVC {self._pvc} has no room in its annotations for more users: should the state be lost, those "
                "that are created from now on need `adopt: true`"
            )
        return names & desired | {_INCOMPLETE}

    def _patch(self, names: set[str]) -> Answer:
        metadata = {"annotations": {self._annotation: _text(names) or None}, "resourceVersion": self._version}
        return self._cluster.request(
            "PATCH",
            self._path,
            body={"metadata": metadata},
            params={"fieldManager": f"{MANAGER}-users"},
            content_type="application/merge-patch+json",
        )


def _is_outdated(error: BaseException) -> bool:
    """Return whether a write failed by what has changed since the PVC was read, so that another may succeed."""
    return isinstance(error, ClusterError) and (error.status == errors.CONFLICT or _TOO_LARGE in str(error))


def _of(changes: Mapping[str, bool], *, is_added: bool) -> set[str]:
    return {name for name, value in changes.items() if value is is_added}


def _text(names: set[str]) -> str:
    return ",".join(sorted(names))


def _annotations(pvc: Answer) -> Mapping[str, str]:
    return pvc.body.get("metadata", {}).get("annotations") or {}


def _names_in(pvc: Answer, annotation: str) -> set[str]:
    return set(filter(None, _annotations(pvc).get(annotation, "").split(",")))
