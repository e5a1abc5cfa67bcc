"""The connection to one Headscale: opened on first use, shared by threads, closed where it breaks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from dynamic_providers.admin.connection_dialer import ConnectionDialer
from dynamic_providers.admin.instance_status import InstanceStatus
from dynamic_providers.errors import (
    ChannelError,
    ClusterError,
    ClusterUnreachable,
    ConnectFailed,
    ConnectionLost,
    InstanceNotFound,
)
from dynamic_providers.kubernetes.errors import FORBIDDEN
from dynamic_providers.retry import CONNECT
from headscale_core import ApiError, HeadscaleClient
from headscale_core.client.grpc_transport import NO_USER_ID


class Sessions:
    """The sessions of the threads of a process, which share one client.

    Args:
        dialer: Opens a client.
        instance_status: Checks whether the pod runs.
        uses_temporary_api_key: Whether the client's API key lives only as long as there are sessions.
        connect_timeout_seconds: How long to try to connect, in seconds. After one timeout later callers fail fast, by
            a single attempt, until a connection succeeds.
    """

    def __init__(
        self,
        dialer: ConnectionDialer,
        instance_status: InstanceStatus,
        *,
        uses_temporary_api_key: bool,
        connect_timeout_seconds: float,
    ) -> None:
        self._dialer, self._instance_status = dialer, instance_status
        self._uses_temporary_api_key = uses_temporary_api_key
        self._connect_timeout_seconds = connect_timeout_seconds
        self._has_timed_out = False
        self._lock = threading.Lock()
        self._open: contextlib.ExitStack | None = None
        self._client: HeadscaleClient | None = None
        self._active = 0

    @contextlib.contextmanager
    def session(self, *, wait_for_pod: bool = True) -> Iterator[HeadscaleClient]:
        """Give a client that works, for one operation.

        Args:
            wait_for_pod: Whether a pod that does not run is waited for until the connect timeout. If False, because
                the caller has something else to do then, it is waited for once per process, for a few seconds.

        Raises:
            ConnectionLost: When the connection breaks during the operation; the next session opens another one.
            InstanceStopped: When the pod does not run, unless it is waited for.
            ChannelError: When Headscale cannot be reached; a ClusterError where Kubernetes refuses or does not answer.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect() if wait_for_pod else self._connect_if_running()
            client = self._client
            self._active += 1
        try:
            yield client
        except ApiError as error:
            if error.retryable:
                self._discard(client)
                raise ConnectionLost(f"{error}; {self._dialer.report()}") from error
            raise
        finally:
            with self._lock:
                self._active -= 1
                if self._uses_temporary_api_key and self._active == 0:
                    self._close()

    def close(self) -> None:
        """Close the connection; the next session opens another one."""
        with self._lock:
            self._close()

    def _connect_if_running(self) -> HeadscaleClient:
        self._instance_status.require()
        try:
            return self._connect()
        except ChannelError as error:
            # The pod may have stopped meanwhile; nothing is concluded from the error itself.
            is_forbidden = isinstance(error, ClusterError) and error.status == FORBIDDEN
            if not isinstance(error, InstanceNotFound | ClusterUnreachable) and not is_forbidden:
                self._instance_status.require_ready()
            raise

    def _connect(self) -> HeadscaleClient:
        """Attempt it until it succeeds or the time is over: the pod may be starting."""
        try:
            client = CONNECT.call(
                self._attempt,
                lambda error: isinstance(error, ConnectFailed) and not error.crashes,
                deadline_seconds=0.0 if self._has_timed_out else self._connect_timeout_seconds,
            )
        except ConnectFailed:
            self._has_timed_out = True
            raise
        self._has_timed_out = False
        self._instance_status.reset()
        return client

    def _attempt(self) -> HeadscaleClient:
        with contextlib.ExitStack() as stack:
            try:
                client = stack.enter_context(self._dialer.client())
                client.list_users(user_id=NO_USER_ID)
            except ApiError as error:
                if not error.retryable:
                    raise
                problem = str(error)
            else:
                self._open = stack.pop_all()
                return client
        report = self._dialer.report()
        raise ConnectFailed(f"{problem}; {report}", crashes="crashes" in report)

    def _discard(self, client: HeadscaleClient) -> None:
        with self._lock:
            if self._client is client:
                self._close()

    def _close(self) -> None:
        stack, self._open, self._client = self._open, None, None
        if stack is not None:
            stack.close()
