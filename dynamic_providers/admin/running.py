"""Whether the instance's pod runs: looked at once in a while, and waited for once, by all threads of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dynamic_providers.admin.route import Route
from dynamic_providers.errors import InstanceStopped
from dynamic_providers.settings import Settings
from headscale_core.rollout.stopped import Stopped, stop_reason

_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_REMEMBERED_SECONDS = 10.0


class Running:
    """The look at StatefulSet and pod before something is tried that has another way where Headscale does not run.

    A Headscale that lives elsewhere always counts as running.

    Args:
        route: The way to the instance.
        settings: The connection's settings.
        warn: Takes a sentence that a person should see.
    """

    def __init__(self, route: Route, settings: Settings, warn: Callable[[str], None]) -> None:
        self._route, self._settings, self._warn = route, settings, warn
        self._lock = threading.Lock()
        self._stopped: tuple[float, Stopped] | None = None
        self._may_wait, self._was_told = True, False

    def require(self) -> None:
        """Check that Headscale can be asked; a pod that is not ready is given a few seconds, once per process.

        Raises:
            InstanceStopped: When it does not run.
            InstanceNotFound: When there is no StatefulSet.
        """
        self._require(needs_ready=False)

    def require_ready(self) -> None:
        """Check, after an attempt that failed, that the whole pod is ready at this moment.

        Raises:
            InstanceStopped: When it is not.
            InstanceNotFound: When there is no StatefulSet.
        """
        self._may_wait = False
        self._require(needs_ready=True)

    def forget(self) -> None:
        """Look again next time, and be ready to wait again: something was started."""
        self._stopped, self._may_wait = None, True

    def report_unseen(self, error: InstanceStopped) -> None:
        """Warn, once per process, that a refresh looked at nothing that is in Headscale."""
        with self._lock:
            was_told, self._was_told = self._was_told, True
        if not was_told:
            self._warn(f"{error}; its users, keys and policy were not looked at, and stay in the state as they are")

    def _require(self, *, needs_ready: bool) -> None:
        if self._settings.channel == "direct":
            return
        if self._stopped and time.monotonic() < self._stopped[0]:
            raise self._error(self._stopped[1])
        deadline = time.monotonic() + (_WAIT_SECONDS if self._may_wait else 0.0)
        while stopped := stop_reason(self._route.stateful_set(), self._route.pod(), needs_ready=needs_ready):
            if not stopped.may_start or time.monotonic() >= deadline:
                self._may_wait = self._may_wait and not stopped.may_start
                self._stopped = time.monotonic() + _REMEMBERED_SECONDS, stopped
                raise self._error(stopped)
            time.sleep(_PAUSE_SECONDS)

    def _error(self, stopped: Stopped) -> InstanceStopped:
        place = f"{self._settings.namespace}/{self._settings.instance}"
        return InstanceStopped(f"Headscale {place} does not run: {stopped.why}", is_scaled_to_zero=not stopped.replicas)
