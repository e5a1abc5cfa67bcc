"""Keys whose revocation is pending until Headscale runs again, in an annotation of the PVC with its database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from dynamic_providers.errors import ClusterError, InstanceNotFound, InstanceStopped
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.user_registry import REVOKE_ANNOTATION, PvcUserRegistry
from dynamic_providers.settings import Settings
from headscale_core import HeadscaleClient
from headscale_core.defaults import pvc_name
from headscale_core.keys.revocation import PendingRevocation, revoke, valid_until


class Revocations:
    """The pending revocations of an instance; safe to share between threads, which share requests.

    A Headscale outside the cluster has none: whether it runs cannot be observed.

    Args:
        cluster: The cluster with the instance's PVC.
        settings: The connection's settings.
        warn: Takes a sentence that a person should see.
    """

    def __init__(self, cluster: Cluster, settings: Settings, warn: Callable[[str], None]) -> None:
        self._warn, self._location = warn, f"{settings.namespace}/{settings.instance}"
        self._pvc = f"{settings.namespace}/{pvc_name(settings.instance)}"
        self._registry = PvcUserRegistry(cluster, settings.namespace, settings.instance, annotation=REVOKE_ANNOTATION)
        self._is_in_cluster = settings.channel != "direct"
        self._lock = threading.Lock()

    def add(self, what: str, keys: Collection[PendingRevocation], cause: InstanceNotFound | InstanceStopped) -> None:
        """Write keys that cannot be revoked now to the PVC; they are written when this returns.

        Where there is no PVC, and no pod that may start, no database exists in which they could be valid.

        Args:
            what: What is deleted, for the messages.
            keys: The keys.
            cause: Why they cannot be revoked now.

        Raises:
            ClusterError: When they cannot be written, and the instance exists and can be started first.
        """
        is_gone = isinstance(cause, InstanceNotFound)
        has_pod_to_come = isinstance(cause, InstanceStopped) and not cause.is_scaled_to_zero
        names = {str(key) for key in keys}
        try:
            self._registry.add(*names)
            if not names <= self._registry.names():
                if not has_pod_to_come and not self._registry.has_pvc():
                    return
                raise ClusterError("there is no such PVC, no right to patch it, or no room left in its annotations")
        except ClusterError as error:
            problem = f"{what} cannot be revoked: {cause}; nor written to PVC {self._pvc} for later: {error}"
            if not is_gone:
                raise ClusterError(f"{problem}; start the instance first", error.status) from None
            self._warn(problem)
            return
        until = valid_until(keys)
        longest = f", at the longest until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        self._warn(
            f"{what} is revoked by the next `pulumi up` by which Headscale {self._location} runs again; until then"
            f"{longest}, it is valid: {cause}"
        )

    def are_pending(self) -> bool:
        """Return whether revocations are pending.

        Raises:
            ClusterError: When the PVC cannot be read.
        """
        return self._is_in_cluster and bool(self._registry.names())

    def revoke_pending(self, client: HeadscaleClient) -> None:
        """Revoke the keys whose revocation is pending, and remove them from the PVC.

        Args:
            client: The Headscale.

        Raises:
            ApiError: When a key cannot be revoked; all stay pending.
            ClusterError: When the PVC cannot be read or written.
        """
        if not self.are_pending():
            return
        with self._lock:
            if names := self._registry.names():
                revoke(client, [PendingRevocation.parse(name) for name in names])
                self._registry.remove(*names)
