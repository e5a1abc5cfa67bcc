"""Who works at the same time as whom, among the threads of a provider process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Turns:
    """Many work together, or one works alone.

    On Headscale 0.28 the deletion of a user takes the keys that another thread is just making.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._is_alone = False

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Work while others do, and nobody is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Work while nobody else does."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._together)
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()
