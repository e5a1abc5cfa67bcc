"""What a person reads while they wait: a line when a step begins, a line with its time when it took some."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WORTH_TELLING_SECONDS = 1.0


class LabError(Exception):
    """Something that a person has to do or know.

    Attributes:
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def say(line: str) -> None:
    """Print a line to stderr: stdout is for what another program reads."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step, and tell how long it took."""
    say(f"  {what} …")
    begun = time.monotonic()
    yield
    seconds = time.monotonic() - begun
    if seconds >= _WORTH_TELLING_SECONDS:
        say(f"    done in {seconds:.0f} s")


def wait_for(
    what: str, ready: Callable[[], bool], *, seconds: float, on_failure: Callable[[], str] = lambda: ""
) -> None:
    """Wait until something is so.

    Args:
        what: What is waited for, as it stands in the error.
        ready: Asked four times a second.
        seconds: The longest wait.
        on_failure: Gives the end of the log that tells why.

    Raises:
        LabError: When it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s for {what}", on_failure())
        time.sleep(0.25)
