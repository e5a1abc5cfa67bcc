"""Keys that are to be revoked once Headscale runs again, noted on the claim that holds its database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from dynamic_providers.errors import ClusterError, InstanceNotFound, InstanceStopped
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.user_registry import REVOKE, PvcUserRegistry
from dynamic_providers.settings import Settings
from headscale_core import HeadscaleClient
from headscale_core.defaults import data_claim
from headscale_core.keys.revocation import PendingRevocation, revoke, valid_until


class Revocations:
    """The notes of an instance; safe to share between threads, which share requests.

    Of a Headscale that lives elsewhere nothing is noted: nobody can tell that it does not run.

    Args:
        cluster: The cluster.
        settings: The connection's settings.
        warn: Takes a sentence that a person should see.
    """

    def __init__(self, cluster: Cluster, settings: Settings, warn: Callable[[str], None]) -> None:
        self._warn, self._place = warn, f"{settings.namespace}/{settings.instance}"
        self._claim = f"{settings.namespace}/{data_claim(settings.instance)}"
        self._record = PvcUserRegistry(cluster, settings.namespace, settings.instance, mark=REVOKE)
        self._is_kept = settings.channel != "direct"
        self._lock = threading.Lock()

    def note(self, what: str, keys: Collection[PendingRevocation], away: InstanceNotFound | InstanceStopped) -> None:
        """Note keys that cannot be revoked now; they are noted when this returns.

        Where there is neither a pod to come nor a claim, there is no database in which they could be valid.

        Args:
            what: What is deleted, for the messages.
            keys: The keys.
            away: Why they cannot be revoked now.

        Raises:
            ClusterError: When they cannot be noted, and the instance is there to be started first.
        """
        is_gone = isinstance(away, InstanceNotFound)
        has_pod_to_come = isinstance(away, InstanceStopped) and not away.is_scaled_to_zero
        names = {str(key) for key in keys}
        try:
            self._record.add(*names)
            if not names <= self._record.names():
                if not has_pod_to_come and not self._record.has_claim():
                    return
                raise ClusterError("there is no such claim, no right to patch it, or no room left in its annotations")
        except ClusterError as error:
            problem = f"{what} cannot be revoked: {away}; nor noted on claim {self._claim} for later: {error}"
            if not is_gone:
                raise ClusterError(f"{problem}; start the instance first", error.status) from None
            self._warn(problem)
            return
        until = valid_until(keys)
        longest = f", at the longest until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        self._warn(
            f"{what} is revoked by the next `pulumi up` by which Headscale {self._place} runs again; until then"
            f"{longest}, it is valid: {away}"
        )

    def are_pending(self) -> bool:
        """Return whether keys wait for their revocation."""
        return self._is_kept and bool(self._record.names())

    def revoke_pending(self, client: HeadscaleClient) -> None:
        """Revoke the keys that are noted, and strike them out."""
        if not self.are_pending():
            return
        with self._lock:
            if names := self._record.names():
                revoke(client, [PendingRevocation.parse(name) for name in names])
                self._record.remove(*names)
