"""Whether the instance's pod runs: observed every few seconds, and waited for once, by all threads of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dynamic_providers.admin.connection_dialer import ConnectionDialer
from dynamic_providers.errors import InstanceStopped
from dynamic_providers.retry import POD_START
from dynamic_providers.settings import Settings
from headscale_core.rollout.stopped import stop_reason

_TTL_SECONDS = 10.0


class InstanceStatus:
    """The check of StatefulSet and pod before an operation that has an alternative where Headscale does not run.

    That a pod does not run is cached for 10 seconds. A Headscale outside the cluster always counts as running.

    Args:
        dialer: Reads StatefulSet and pod.
        settings: The connection's settings.
        warn: Takes a sentence that a person should see.
    """

    def __init__(self, dialer: ConnectionDialer, settings: Settings, warn: Callable[[str], None]) -> None:
        self._dialer, self._settings, self._warn = dialer, settings, warn
        self._lock = threading.Lock()
        self._stopped: tuple[float, InstanceStopped] | None = None
        self._has_waited, self._has_warned = False, False

    def require(self) -> None:
        """Check that Headscale runs; a pod that is not ready is given 5 seconds, once per process.

        Raises:
            InstanceStopped: When it does not run.
            InstanceNotFound: When there is no StatefulSet.
            ClusterError: When StatefulSet or pod cannot be read.
        """
        self._require(needs_ready=False)

    def require_ready(self) -> None:
        """Check, after an attempt that failed, that the whole pod is ready at this moment.

        Raises:
            InstanceStopped: When it is not.
            InstanceNotFound: When there is no StatefulSet.
            ClusterError: When StatefulSet or pod cannot be read.
        """
        self._has_waited = True
        self._require(needs_ready=True)

    def reset(self) -> None:
        """Drop what was observed, and allow another wait: the pod was started."""
        self._stopped, self._has_waited = None, False

    def warn_refresh_skipped(self, error: InstanceStopped) -> None:
        """Warn, once per process, that a refresh observed nothing of what is in Headscale.

        Args:
            error: Why it did not.
        """
        with self._lock:
            has_warned, self._has_warned = self._has_warned, True
        if not has_warned:
            self._warn(f"{error}; its users, keys and policy were not looked at, and stay in the state as they are")

    def _require(self, *, needs_ready: bool) -> None:
        if self._settings.channel == "direct":
            return
        if self._stopped and time.monotonic() < self._stopped[0]:
            raise _copy(self._stopped[1])
        try:
            POD_START.call(
                lambda: self._observe(needs_ready=needs_ready),
                lambda error: isinstance(error, InstanceStopped) and error.may_start,
                deadline_seconds=0.0 if self._has_waited else None,
            )
        except InstanceStopped as error:
            self._has_waited = self._has_waited or error.may_start
            self._stopped = time.monotonic() + _TTL_SECONDS, error
            raise

    def _observe(self, *, needs_ready: bool) -> None:
        stopped = stop_reason(self._dialer.stateful_set(), self._dialer.pod(), needs_ready=needs_ready)
        if stopped:
            place = f"{self._settings.namespace}/{self._settings.instance}"
            raise InstanceStopped(
                f"Headscale {place} does not run: {stopped.why}",
                is_scaled_to_zero=not stopped.replicas,
                may_start=stopped.may_start,
            )


def _copy(error: InstanceStopped) -> InstanceStopped:
    """Return the same error without the traceback, which threads must not share."""
    return InstanceStopped(str(error), is_scaled_to_zero=error.is_scaled_to_zero, may_start=error.may_start)
