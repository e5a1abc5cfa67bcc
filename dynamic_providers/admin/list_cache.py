"""What a refresh looks at: lists, asked for once and shared by all resources of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Listed = TypeVar("Listed")

_FRESH_SECONDS = 10.0


class ListCache:
    """Lists that are true for a few seconds, so that a thousand reads make a handful of calls.

    Every change invalidates them: what is read afterwards is requested again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lists: dict[Hashable, tuple[float, Any]] = {}

    def of(self, what: Hashable, ask: Callable[[], Listed]) -> Listed:
        """Return a list, asked for where it is not at hand or not fresh; others wait for it meanwhile."""
        with self._lock:
            asked, listed = self._lists.get(what, (float("-inf"), None))
            if self._clock() - asked > _FRESH_SECONDS:
                listed = ask()
                self._lists[what] = self._clock(), listed
            found: Listed = listed
            return found

    def forget(self) -> None:
        """Request them again next time."""
        with self._lock:
            self._lists.clear()
