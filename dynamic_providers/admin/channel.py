"""The admin channel: what a provider process shares to work on one Headscale."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from dynamic_providers.admin.clock import utc_now
from dynamic_providers.admin.connection_dialer import ConnectionDialer
from dynamic_providers.admin.instance_status import InstanceStatus
from dynamic_providers.admin.lists import Lists
from dynamic_providers.admin.read_write_lock import ReadWriteLock
from dynamic_providers.admin.revocations import Revocations
from dynamic_providers.admin.run_journal import RunJournal
from dynamic_providers.admin.sessions import Sessions
from dynamic_providers.errors import ChannelError, ConnectionLost, InstanceNotFound, InstanceStopped, WrongCluster
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.kubernetes.user_registry import PvcUserRegistry
from dynamic_providers.retry import CONNECT, LOG_IN, retry_idempotent
from dynamic_providers.settings import Settings
from headscale_core import HeadscaleClient
from headscale_core.defaults import pvc_name

__all__ = [
    "Channel",
    "ChannelError",
    "ConnectionLost",
    "InstanceNotFound",
    "InstanceStopped",
    "Settings",
    "WrongCluster",
    "retry_idempotent",
    "utc_now",
]

_MIN_LOG_IN_SECONDS = 5.0


class Channel:
    """One Headscale and its cluster; safe to share between the threads of a provider process.

    It opens on first use. The caller closes a channel that it created for a single call; the channel of a provider
    process ends with the process.

    Args:
        settings: The connection's settings.
        connect_timeout_seconds: How long to try to connect, in seconds: a pod may just be starting. 40 by default. The
            API server has as long, at least 5 and at most 15 seconds.
        warn: Takes a sentence that a person should see; dropped by default.

    Attributes:
        settings: The connection's settings.
        cluster: The Kubernetes API.
        running: Whether the pod runs.
        lists: The cached lists that a refresh reads.
        lock: Which changes exclude each other.
        journal: What this run has to remember between calls.
        user_registry: The user registry: which users are managed by this stack.
        revocations: Keys that are to be revoked once Headscale runs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout_seconds: float = CONNECT.deadline_seconds or 0.0,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.settings = settings
        self.cluster = Cluster(
            settings.kubeconfig,
            settings.context,
            settings.cluster,
            log_in_seconds=max(_MIN_LOG_IN_SECONDS, min(LOG_IN.deadline_seconds or 0.0, connect_timeout_seconds)),
        )
        dialer = ConnectionDialer(settings, self.cluster)
        self.instance_status = InstanceStatus(dialer, settings, warn)
        self._sessions = Sessions(
            dialer,
            self.instance_status,
            uses_temporary_api_key=settings.uses_temporary_api_key,
            connect_timeout_seconds=connect_timeout_seconds,
        )
        self._secret_versions: dict[tuple[str, str], str] = {}
        self.lists = Lists(self._sessions, self.secrets)
        self.lock = ReadWriteLock()
        self.journal = RunJournal()
        self.user_registry = PvcUserRegistry(
            self.cluster, settings.namespace, settings.instance, needs_cluster=settings.channel != "direct", warn=warn
        )
        self.revocations = Revocations(self.cluster, settings, warn)

    def secrets(self, kind: str) -> KubernetesSecretStore:
        """Return the store of the Secrets of one kind of keys.

        Args:
            kind: The kind of key, see `KIND_LABEL`.
        """
        settings = self.settings
        return KubernetesSecretStore(self.cluster, settings.instance, settings.namespace, kind, self._secret_versions)

    def session(self, *, wait_for_pod: bool = True) -> contextlib.AbstractContextManager[HeadscaleClient]:
        """Give a client for an operation that only reads; see `Sessions.session`."""
        return self._sessions.session(wait_for_pod=wait_for_pod)

    @contextlib.contextmanager
    def change(
        self, *, exclusive: bool = False, wait_for_pod: bool = True, invalidate_lists: bool = True
    ) -> Iterator[HeadscaleClient]:
        """Give a client for an operation that changes something, once pending revocations are done.

        Args:
            exclusive: Whether no other change may run at the same time, False by default.
            wait_for_pod: As for `Sessions.session`.
            invalidate_lists: Whether cached lists are invalidated afterwards, True by default.

        Raises:
            ChannelError: As `Sessions.session`; a ClusterError also when pending revocations cannot be read.
        """
        lock = self.lock.exclusive() if exclusive else self.lock.shared()
        with self.session(wait_for_pod=wait_for_pod) as client, lock:
            try:
                self.revocations.revoke_pending(client)
                yield client
            finally:
                if invalidate_lists:
                    self.lists.invalidate()

    def revoke_pending(self) -> None:
        """Revoke the keys whose revocation is pending, where nothing else is to be changed.

        Raises:
            ChannelError: As `change`.
        """
        with self.change():
            pass

    def require_proof_of_deletion(self, what: str, *, user: str | None = None) -> None:
        """Check that an instance which is not found was deleted, and is not looked for in the wrong cluster.

        The PVC with the data outlives the instance, and has annotations of this component. For a key there may be
        better evidence: the Secret that holds it.

        Args:
            what: What is thought to be gone with the instance, for the message.
            user: A user that has to be in the user registry; None, the default, where any annotation is enough.

        Raises:
            WrongCluster: When nothing shows that this is the cluster.
            ClusterError: When the PVC cannot be read.
        """
        if not self.user_registry.is_found(user):
            namespace, instance = self.settings.namespace, self.settings.instance
            raise WrongCluster(
                f"{what} is not known to be gone: in {self.cluster.name} there is neither StatefulSet "
                f"{namespace}/{instance}, nor an annotation of this component on PVC {namespace}/{pvc_name(instance)}, "
                "nor a Secret that would hold it; is this the right cluster, context and namespace?"
            )

    def reconnect(self) -> None:
        """Have the next session open another connection: the pod was replaced, maybe by another version.

        gRPC reconnects by itself through a port-forward, and a client determines the version once.
        """
        self._sessions.close()
        self.instance_status.reset()

    def close(self) -> None:
        """Close the connections to Headscale and to the cluster; they are opened again where they are needed again."""
        self._sessions.close()
        self.cluster.close()
