"""Who works at the same time as whom, among the threads of a provider process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class ReadWriteLock:
    """Many work together, or one works alone: a readers-writer lock in which nobody starves.

    On Headscale 0.28 the deletion of a user takes the keys that another thread is just making.
    """

    def __init__(self) -> None:
        self._gate = threading.Lock()
        """Everybody comes in through it, one at a time; who wants to be alone keeps it shut behind him."""
        self._left = threading.Condition()
        self._together = 0

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Work while others do, and nobody is alone or waits to be."""
        with self._gate, self._left:
            self._together += 1
        try:
            yield
        finally:
            with self._left:
                self._together -= 1
                self._left.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Work while nobody else does."""
        with self._gate:
            with self._left:
                self._left.wait_for(lambda: not self._together)
            yield
