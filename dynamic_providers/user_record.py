"""Which users are ours, noted on the claim that holds the data: it lives and goes with the database."""

from __future__ import annotations

import threading

from dynamic_providers.cluster import Cluster, ClusterError

MARK = "headscale-component/users"

_NOT_OURS_TO_KEEP = (403, 404)


class ClaimRecord:
    """The record of an instance; safe to share between threads.

    It is kept where the claim is in reach. Without right to it, or where nobody expects a cluster in reach (a Headscale
    that lives elsewhere), none is kept.

    Args:
        cluster: The cluster.
        namespace: The instance's namespace.
        instance: The instance.
        needs_cluster: Whether a cluster that does not answer is a failure.
    """

    def __init__(self, cluster: Cluster, namespace: str, instance: str, *, needs_cluster: bool = True) -> None:
        self._cluster, self._needs_cluster = cluster, needs_cluster
        self._path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data-{instance}-0"
        self._lock = threading.Lock()
        self._names: set[str] | None = None
        self._is_kept = True

    def holds(self, name: str) -> bool | None:
        """Return whether a user is noted; None where no record is kept."""
        with self._lock:
            names = self._read()
            return name in names if self._is_kept else None

    def add(self, name: str) -> None:
        """Note a user."""
        with self._lock:
            names = self._read()
            if name not in names:
                self._write(names | {name})

    def remove(self, name: str) -> None:
        """Strike out a user."""
        with self._lock:
            names = self._read()
            if name in names:
                self._write(names - {name})

    def _read(self) -> set[str]:
        if self._names is None:
            try:
                answer = self._cluster.request("GET", self._path)
            except ClusterError:
                if self._needs_cluster:
                    raise
                self._is_kept = False
                return set()
            self._is_kept = answer.ok
            if not answer.ok and answer.status not in _NOT_OURS_TO_KEEP:
                raise ClusterError(f"the record of users cannot be read: {answer.message}")
            noted = (answer.body.get("metadata", {}).get("annotations") or {}).get(MARK, "") if answer.ok else ""
            self._names = set(filter(None, noted.split(",")))
        return self._names

    def _write(self, names: set[str]) -> None:
        if not self._is_kept:
            return
        answer = self._cluster.request(
            "PATCH",
            self._path,
            body={"metadata": {"annotations": {MARK: ",".join(sorted(names)) or None}}},
            params={"fieldManager": "headscale-component-users"},
            content_type="application/merge-patch+json",
        )
        if answer.status in _NOT_OURS_TO_KEEP:
            self._is_kept = False
            return
        if not answer.ok:
            raise ClusterError(f"the record of users cannot be written: {answer.message}")
        self._names = names
