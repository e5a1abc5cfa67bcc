"""A cache of lists with a time to live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Listed = TypeVar("Listed")

_TTL_SECONDS = 10.0


class ListCache:
    """Cache of list calls, so that a thousand reads make a handful of requests; safe to share between threads.

    An entry is valid for 10 seconds. Every change invalidates all entries.

    Args:
        clock: Returns the monotonic time in seconds; `time.monotonic` by default.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, fetch: Callable[[], Listed]) -> Listed:
        """Return a list that is at most 10 seconds old; other threads wait while one fetches it.

        Args:
            key: What names the list.
            fetch: Fetches it where it is not cached.

        Raises:
            Exception: What `fetch` raises; it is not cached.
        """
        with self._lock:
            fetched_at, listed = self._entries.get(key, (float("-inf"), None))
            if self._clock() - fetched_at > _TTL_SECONDS:
                listed = fetch()
                self._entries[key] = self._clock(), listed
            found: Listed = listed
            return found

    def invalidate(self) -> None:
        """Drop all entries: the next `get` of each list fetches it."""
        with self._lock:
            self._entries.clear()
