"""A port-forward of kr8s that waits between its tries and ends when it is closed.

kr8s 0.20 asks the API server again and again, without a pause and for ever, where a connection is refused or the pod
went away in the meantime. It looks the pod up before each try: there the pause is made, and there it ends.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Any

from kr8s.asyncio.portforward import PortForward

from dynamic_providers.errors import ClusterError

_PORT_TRIES = 5
_PAUSE_SECONDS = 0.5


class BackoffPortForward(PortForward):
    """A port-forward to one pod."""

    _tries = 0
    _is_over = False

    def cancel(self) -> None:
        """End what is still trying to connect."""
        self._is_over = True

    async def _select_pod(self) -> Any:  # noqa: ANN401 - kr8s has no types
        self._tries += 1
        if self._tries > 1:
            await asyncio.sleep(_PAUSE_SECONDS)
        if self._is_over:
            raise asyncio.CancelledError
        return await super()._select_pod()


async def opened(pod: Any, port: int) -> tuple[Any, int]:  # noqa: ANN401 - kr8s has no types
    """Open a port-forward to a port of a pod and return it with its local port.

    Raises:
        ClusterError: When no local port can be opened.
    """
    for tries_left in reversed(range(_PORT_TRIES)):
        forward: Any = BackoffPortForward(pod, port, local_port="auto")
        try:
            return forward, await forward.__aenter__()
        except OSError as error:
            # kr8s looks for a free port first and takes it later: another process may have been faster.
            if error.errno != errno.EADDRINUSE or not tries_left:
                raise ClusterError(f"no local port can be opened for the port-forward: {error}") from None
    raise AssertionError("the last try returns or raises")
