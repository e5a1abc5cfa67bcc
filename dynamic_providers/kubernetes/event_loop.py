"""An asyncio event loop in a thread, for code that runs in other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class EventLoopThread:
    """An event loop in a thread of its own, started with the first coroutine; safe to share between threads.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, Result], timeout_seconds: float | None = None) -> Result:
        """Run a coroutine on the loop and return what it returns.

        Args:
            work: The coroutine.
            timeout_seconds: After how long it is cancelled; None for never.

        Raises:
            TimeoutError: When the time is over.
            concurrent.futures.CancelledError: When the loop is closed meanwhile.
        """
        with self._lock:
            future = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result(timeout_seconds)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what runs on the loop and end its thread; the next `run` starts another one."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), daemon=True, name=self._name)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, then end what is left on it."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()
