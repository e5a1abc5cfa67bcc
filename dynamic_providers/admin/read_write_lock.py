"""A readers-writer lock between the threads of a provider process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class ReadWriteLock:
    """Many threads share it, or one holds it exclusively; a waiting writer keeps new readers out, so no writer starves.

    Deleting a user on Headscale 0.28 is exclusive: it deletes the preauth keys that other threads are creating
    (https://github.com/juanfont/headscale/issues/3154). It is not reentrant.
    """

    def __init__(self) -> None:
        self._gate = threading.Lock()
        """All enter through it; a writer holds it until it has finished."""
        self._released = threading.Condition()
        self._readers = 0

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with other readers; waits for a writer, also for one that waits itself."""
        with self._gate, self._released:
            self._readers += 1
        try:
            yield
        finally:
            with self._released:
                self._readers -= 1
                self._released.notify_all()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone; waits for all readers."""
        with self._gate:
            with self._released:
                self._released.wait_for(lambda: not self._readers)
            yield
