"""Progress messages: a line when a step begins, and one with its duration after a longer step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WORTH_TELLING_SECONDS = 1.0


class LabError(Exception):
    """An error that the user has to fix.

    Attributes:
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def say(line: str) -> None:
    """Print a line to stderr; stdout is for output that other programs read."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print that a step begins, and its duration afterwards."""
    say(f"  {what} …")
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    if seconds >= _WORTH_TELLING_SECONDS:
        say(f"    done in {seconds:.0f} s")


def wait_for(
    what: str, ready: Callable[[], bool], *, seconds: float, on_failure: Callable[[], str] = lambda: ""
) -> None:
    """Wait until a condition holds.

    Args:
        what: What is waited for, for the error.
        ready: The condition, checked four times a second.
        seconds: The timeout.
        on_failure: Returns the end of the log, for the error.

    Raises:
        LabError: When the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s for {what}", on_failure())
        time.sleep(0.25)
