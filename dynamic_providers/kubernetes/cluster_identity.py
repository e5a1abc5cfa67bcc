"""Whether this is the cluster of the state: asked once by a process, for everything that is in one instance."""

from __future__ import annotations

import threading

from dynamic_providers.errors import WrongCluster
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.errors import NOT_FOUND
from headscale_core.rollout.identity import Identity, is_another_cluster, is_wrong_cluster
from headscale_core.rollout.rollout import InstanceLocation


class ClusterIdentity:
    """The cluster of one instance as the state knows it and as it is; safe to share between threads.

    It costs one request for the PVC, and one for the namespace kube-system where the PVC is another one.

    Args:
        cluster: The cluster.
        location: The instance.
    """

    def __init__(self, cluster: Cluster, location: InstanceLocation) -> None:
        self._cluster, self._location = cluster, location
        self._lock = threading.Lock()
        self._state = Identity()
        self._pvc: str | None = None
        self._cluster_id: str | None = None
        self._is_readable, self._is_accepted, self._is_wrong = True, False, False

    @property
    def is_wrong(self) -> bool:
        """Whether it was found that this is another cluster: nothing may be dropped from the state then."""
        return self._is_wrong

    def expect(self, state: Identity) -> None:
        """Add what a resource's state knows."""
        with self._lock:
            self._state |= state

    def accept(self) -> None:
        """Take the cluster as the right one from now on: the change to it was declared, and has begun."""
        self._is_accepted = True

    def require(self) -> None:
        """Check that this is the cluster of the state, as far as that is known; where nothing is, no request is made.

        Raises:
            WrongCluster: When it is another one, or the same one, recreated: `is_wrong` distinguishes them.
            ClusterUnreachable: When no API server answers.
            ClusterError: When it refuses the credentials.
        """
        with self._lock:
            if self._is_accepted or self._state == Identity() or not self._read_pvc_uid():
                return
            now = Identity.of(self._pvc, None, self._cluster.server())
            if self._state.pvc_uids & now.pvc_uids:
                return
            if self._state.cluster:
                now |= Identity.of(None, self._read_cluster_id(), None)
            self._is_wrong = is_wrong_cluster(self._state, now)
            is_another = is_another_cluster(self._state, now)
        if is_another:
            raise WrongCluster(self._problem())

    def _problem(self) -> str:
        pvc = f"PVC {self._location.namespace}/{self._location.pvc}"
        if not self._is_wrong:
            return (
                f"{self._cluster.name} is another cluster than the one in which {self._location} was deployed, at the "
                f"same address, and there is no {pvc}"
            )
        what = f"{pvc} there is another one" if self._pvc else f"there is no {pvc}"
        return (
            f"{self._cluster.name} is another cluster than the one in which {self._location} was deployed: {what}. "
            "Nothing was changed there or dropped from the state; select the right kubeconfig and context. To move the "
            "instance to this cluster, run `pulumi up` without a refresh and follow its message"
        )

    def _read_pvc_uid(self) -> bool:
        """Read the PVC's uid once, empty where there is none; return whether it may be read."""
        if self._pvc is None and self._is_readable:
            path = f"/api/v1/namespaces/{self._location.namespace}/persistentvolumeclaims/{self._location.pvc}"
            answer = self._cluster.request("GET", path)
            self._is_readable = answer.ok or answer.status == NOT_FOUND
            if self._is_readable:
                self._pvc = str(answer.body["metadata"].get("uid") or "") if answer.ok else ""
        return self._is_readable

    def _read_cluster_id(self) -> str:
        if self._cluster_id is None:
            self._cluster_id = read_cluster_id(self._cluster)
        return self._cluster_id


def read_cluster_id(cluster: Cluster) -> str:
    """Return the uid of the namespace kube-system, which identifies the cluster; empty where it may not be read.

    https://opentelemetry.io/docs/specs/semconv/resource/k8s/#cluster

    Raises:
        ClusterError: When the API server does not answer.
    """
    answer = cluster.request("GET", "/api/v1/namespaces/kube-system")
    return str(answer.body["metadata"]["uid"]) if answer.ok else ""
