"""The admin channel: how a provider process talks to its Headscale; opened on first use, shared by its threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from dynamic_providers.admin.clock import utc_now
from dynamic_providers.admin.list_cache import ListCache
from dynamic_providers.admin.read_write_lock import ReadWriteLock
from dynamic_providers.admin.retry import retry_idempotent
from dynamic_providers.admin.revocations import Revocations
from dynamic_providers.admin.route import Route
from dynamic_providers.admin.run_journal import RunJournal
from dynamic_providers.admin.running import Running
from dynamic_providers.errors import (
    ChannelError,
    ClusterError,
    ClusterUnreachable,
    ConnectionLost,
    InstanceNotFound,
    InstanceStopped,
    WrongCluster,
)
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.errors import FORBIDDEN
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.kubernetes.user_registry import PvcUserRegistry
from dynamic_providers.settings import Settings
from headscale_core import ApiError, ApiKey, HeadscaleClient, PreAuthKey, User
from headscale_core.defaults import data_claim
from headscale_core.keys.secrets import StoredSecret

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

Result = TypeVar("Result")

_OPEN_SECONDS = 40.0
_PAUSE_SECONDS = 0.5
_LOG_IN_SECONDS = (5.0, 15.0)
"""The least and the most time that the API server has to accept us."""


class Channel:
    """One Headscale and its cluster; safe to share between the threads of a provider process.

    Args:
        settings: The connection's settings.
        connect_timeout_seconds: How long to try to connect: a pod may just be starting. After one timeout later
            callers fail fast, by a single attempt, until a connection succeeds.
        warn: Takes a sentence that a person should see.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout_seconds: float = _OPEN_SECONDS,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.settings = settings
        self._open_seconds = self._connect_timeout_seconds = connect_timeout_seconds
        least, most = _LOG_IN_SECONDS
        self.cluster = Cluster(
            settings.kubeconfig,
            settings.context,
            settings.cluster,
            log_in_seconds=max(least, min(most, connect_timeout_seconds)),
        )
        self._route = Route(settings, self.cluster)
        self.running = Running(self._route, settings, warn)
        self._lock = threading.Lock()
        self._open: contextlib.ExitStack | None = None
        self._client: HeadscaleClient | None = None
        self._sessions = 0
        self._secret_versions: dict[tuple[str, str], str] = {}
        self.list_cache = ListCache()
        self.lock = ReadWriteLock()
        self.journal = RunJournal()
        self.record = PvcUserRegistry(
            self.cluster, settings.namespace, settings.instance, needs_cluster=settings.channel != "direct", warn=warn
        )
        self.revocations = Revocations(self.cluster, settings, warn)

    def secrets(self, kind: str) -> KubernetesSecretStore:
        """Return the store of one kind of keys."""
        settings = self.settings
        return KubernetesSecretStore(self.cluster, settings.instance, settings.namespace, kind, self._secret_versions)

    @contextlib.contextmanager
    def change(
        self, *, alone: bool = False, patient: bool = True, keeps_lists: bool = False
    ) -> Iterator[HeadscaleClient]:
        """Give a client for an operation that changes something, once keys that wait for that are revoked.

        Args:
            alone: Whether no other change may be under way.
            patient: As for `session`.
            keeps_lists: Whether lists stay at hand; by default they are requested again afterwards.
        """
        with self.session(patient=patient) as client, self.lock.alone() if alone else self.lock.together():
            try:
                self.revocations.revoke_pending(client)
                yield client
            finally:
                if not keeps_lists:
                    self.list_cache.forget()

    def revoke_pending(self) -> None:
        """Revoke the keys that wait for that, where nothing else is to be changed."""
        with self.change():
            pass

    def users(self) -> dict[str, User]:
        """Return the users by id, asked for once in a while."""
        return self.list_cache.of(
            "users", lambda: {str(user.id): user for user in self._ask(HeadscaleClient.list_users)}
        )

    def pre_auth_keys(self) -> dict[str, PreAuthKey]:
        """Return the preauth keys by id, asked for once in a while."""
        ask = HeadscaleClient.list_pre_auth_keys
        return self.list_cache.of("pre_auth_keys", lambda: {str(key.id): key for key in self._ask(ask)})

    def api_keys(self) -> list[ApiKey]:
        """Return the API keys, asked for once in a while."""
        return self.list_cache.of("api_keys", lambda: self._ask(HeadscaleClient.list_api_keys))

    def stored(self, kind: str, namespace: str, name: str) -> StoredSecret | None:
        """Return one of our Secrets, from a list that is asked for once in a while; None where it is not ours."""
        secrets = self.list_cache.of((kind, namespace), lambda: self.secrets(kind).all(namespace))
        return secrets.get(name)

    def require_proof_of_deletion(self, what: str, *, user: str | None = None) -> None:
        """Check that an instance which is not there was deleted, and is not sought in a cluster where it never was.

        The claim with the data outlives the instance, and holds notes of ours. A key may have better evidence: the
        Secret that holds it.

        Args:
            what: What is thought to be gone with the instance, for the message.
            user: A user that has to be noted there; None where any note is enough.

        Raises:
            WrongCluster: When nothing shows that this is the cluster.
        """
        if not self.record.is_found(user):
            namespace, instance = self.settings.namespace, self.settings.instance
            raise WrongCluster(
                f"{what} is not known to be gone: in {self.cluster.name} there is neither StatefulSet "
                f"{namespace}/{instance}, nor a note of ours on claim {namespace}/{data_claim(instance)}, nor a Secret "
                "that would hold it; is this the right cluster, context and namespace?"
            )

    def _ask(self, question: Callable[[HeadscaleClient], Result]) -> Result:
        def ask() -> Result:
            with self.session(patient=False) as client:
                return question(client)

        return retry_idempotent(ask)

    @contextlib.contextmanager
    def session(self, *, patient: bool = True) -> Iterator[HeadscaleClient]:
        """Give a client that works, for one operation.

        Args:
            patient: Whether a pod that does not run is waited for as long as any other trouble. Where not, there is
                something else to do, and it is waited for once and shortly.

        Raises:
            InstanceStopped: When the pod does not run, unless patient.
            ChannelError: When the way to Headscale is blocked; a ClusterError where it is Kubernetes that blocks it.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect() if patient else self._connect_if_running()
            client = self._client
            self._sessions += 1
        try:
            yield client
        except ApiError as error:
            if error.retryable:
                self._forget(client)
                raise ConnectionLost(f"{error}; {self._route.report()}") from error
            raise
        finally:
            with self._lock:
                self._sessions -= 1
                if self.settings.borrows_key and self._sessions == 0:
                    self._close()

    def _connect_if_running(self) -> HeadscaleClient:
        self.running.require()
        try:
            return self._connect()
        except ChannelError as error:
            # The pod may have stopped meanwhile; nothing is concluded from the error itself.
            if not isinstance(error, InstanceNotFound | ClusterUnreachable) and _status(error) != FORBIDDEN:
                self.running.require_ready()
            raise

    def _connect(self) -> HeadscaleClient:
        """Try until it works or time is over: the pod may be starting, the port-forward may have broken."""
        deadline = time.monotonic() + self._connect_timeout_seconds
        while True:
            with contextlib.ExitStack() as stack:
                try:
                    client = stack.enter_context(self._route.client())
                    client.list_users(user_id=2**62)
                except ApiError as error:
                    if not error.retryable:
                        raise
                    problem = str(error)
                else:
                    self._connect_timeout_seconds = self._open_seconds
                    self.running.forget()
                    self._open = stack.pop_all()
                    return client
            report = self._route.report()
            if time.monotonic() >= deadline or "crashes" in report:
                self._connect_timeout_seconds = 0.0
                raise ChannelError(f"{problem}; {report}")
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connections to Headscale and to the cluster; they are opened again where they are needed again."""
        with self._lock:
            self._close()
        self.cluster.close()

    def _forget(self, client: HeadscaleClient) -> None:
        with self._lock:
            if self._client is client:
                self._close()

    def _close(self) -> None:
        stack, self._open, self._client = self._open, None, None
        if stack is not None:
            stack.close()


def _status(error: ChannelError) -> int | None:
    return error.status if isinstance(error, ClusterError) else None
