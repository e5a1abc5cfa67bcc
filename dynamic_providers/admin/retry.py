"""Retries of what is idempotent, where the connection to Headscale was lost in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from dynamic_providers.errors import ConnectionLost

Result = TypeVar("Result")

_PAUSE_SECONDS = 0.5


def retry_idempotent(action: Callable[[], Result], *, times: int = 3) -> Result:
    """Run an action, and run it again where the connection was lost meanwhile.

    Args:
        action: What may run twice without harm.
        times: How often it runs at most.

    Raises:
        ConnectionLost: When it was lost each time.
    """
    for _ in range(times - 1):
        try:
            return action()
        except ConnectionLost:
            time.sleep(_PAUSE_SECONDS)
    return action()
