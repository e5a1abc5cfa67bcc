"""How the providers retry: one named policy for each kind of failure, carried out by tenacity.

Only calls that may be made twice without harm are retried. What polls for a state that takes minutes, as a rollout, is
no retry; neither is the reconnect of kr8s (`kubernetes.port_forward`). The sidecar has a loop of its own.

Exponential backoff and jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/.
tenacity: https://tenacity.readthedocs.io.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import tenacity

from dynamic_providers.errors import ConnectionLost

Result = TypeVar("Result")

_sleep: Callable[[float], None] = time.sleep
_sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is attempted, and how long the pauses between the attempts are.

    Each pause is twice the one before, up to the maximum.

    Attributes:
        attempts: The most attempts, the first included; None for as many as the deadline allows.
        initial_seconds: The first pause, in seconds.
        max_seconds: The longest pause, in seconds.
        jitter: The share of each pause that is random, from 0 to 1, so that two programs do not retry in step; 0 by
            default.
        deadline_seconds: How long after the start of the first attempt the last one may begin, in seconds; None, the
            default, for no limit but that of `attempts`. It does not end an attempt that is under way.
    """

    attempts: int | None
    initial_seconds: float
    max_seconds: float
    jitter: float = 0.0
    deadline_seconds: float | None = None

    def call(
        self,
        action: Callable[[], Result],
        retry_if: Callable[[BaseException], bool],
        *,
        deadline_seconds: float | None = None,
    ) -> Result:
        """Attempt something until it succeeds.

        Args:
            action: What is attempted. It must be idempotent: a failed attempt may have taken effect.
            retry_if: Whether an error may pass; any other is raised at once.
            deadline_seconds: In place of the policy's deadline; None, the default, for that one.

        Returns:
            What the action returns.

        Raises:
            Exception: That of the last attempt, as the action raised it.
        """
        return tenacity.Retrying(sleep=_sleep, **self._options(retry_if, deadline_seconds))(action)

    async def call_async(
        self, action: Callable[[], Awaitable[Result]], retry_if: Callable[[BaseException], bool]
    ) -> Result:
        """Attempt something on an event loop until it succeeds; see `call`."""
        retrying = tenacity.AsyncRetrying(sleep=_sleep_async, **self._options(retry_if, None))
        return await retrying(action)

    def _options(self, retry_if: Callable[[BaseException], bool], deadline_seconds: float | None) -> dict[str, Any]:
        deadline = self.deadline_seconds if deadline_seconds is None else deadline_seconds
        return {
            "retry": tenacity.retry_if_exception(retry_if),
            "stop": tenacity.stop_any(
                tenacity.stop_never if self.attempts is None else tenacity.stop_after_attempt(self.attempts),
                tenacity.stop_never if deadline is None else tenacity.stop_before_delay(deadline),
            ),
            "wait": self._pause,
            "reraise": True,
        }

    def _pause(self, state: tenacity.RetryCallState) -> float:
        backoff = tenacity.wait_exponential(multiplier=self.initial_seconds, max=self.max_seconds)(state)
        return backoff * random.uniform(1 - self.jitter, 1)  # noqa: S311 - spreads load


CONNECTION_LOST = RetryPolicy(attempts=3, initial_seconds=0.5, max_seconds=1.0, jitter=0.2)
"""An idempotent operation on Headscale that lost its connection: a port-forward or Headscale was restarted."""

CONNECT = RetryPolicy(attempts=None, initial_seconds=0.5, max_seconds=1.0, jitter=0.2, deadline_seconds=40.0)
"""Connecting to Headscale: its pod may be starting."""

POD_START = RetryPolicy(attempts=None, initial_seconds=0.5, max_seconds=0.5, deadline_seconds=5.0)
"""Whether a pod that is not ready becomes ready, where there is something else to do if it does not."""

LOG_IN = RetryPolicy(attempts=3, initial_seconds=0.5, max_seconds=1.5, jitter=0.2, deadline_seconds=15.0)
"""Connecting to the API server: an outage of seconds, as while a control plane is upgraded."""

CONFLICT = RetryPolicy(attempts=10, initial_seconds=0.05, max_seconds=1.0, jitter=0.5)
"""A write by resourceVersion that another writer was faster with
(https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions)."""

LOCAL_PORT = RetryPolicy(attempts=5, initial_seconds=0.01, max_seconds=0.1)
"""A free local port that another process took before it was opened."""


def retry_idempotent(action: Callable[[], Result]) -> Result:
    """Attempt an operation on Headscale, and again where the connection is lost in the middle of it.

    Args:
        action: The operation. It must be idempotent: the attempt that lost its connection may have taken effect.

    Returns:
        What the action returns.

    Raises:
        ConnectionLost: When each of the three attempts lost it.
    """
    return CONNECTION_LOST.call(action, lambda error: isinstance(error, ConnectionLost))
