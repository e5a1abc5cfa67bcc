"""A port-forward of kr8s that backs off between its attempts and ends when it is closed.

kr8s 0.20 connects to the API server again and again, without a pause and for ever, where a connection is refused or the
pod went away in the meantime (https://github.com/kr8s-org/kr8s/blob/main/kr8s/_portforward.py, reported as
https://github.com/kr8s-org/kr8s/issues/540). It looks the pod up before each attempt: there it pauses, and
there it ends. `BackoffPortForward` can go when a release of kr8s gives up by itself, as
https://github.com/kr8s-org/kr8s/pull/748 proposed.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Any

from kr8s.asyncio.objects import Pod
from kr8s.asyncio.portforward import PortForward

from dynamic_providers.errors import ClusterError
from dynamic_providers.retry import LOCAL_PORT

_PAUSE_SECONDS = 0.5


class BackoffPortForward(PortForward):
    """A port-forward to one pod."""

    _attempts = 0
    _is_cancelled = False

    def cancel(self) -> None:
        """End the attempts to connect, also one that is under way."""
        self._is_cancelled = True

    async def _select_pod(self) -> Any:  # noqa: ANN401 - kr8s has no types
        self._attempts += 1
        if self._attempts > 1:
            await asyncio.sleep(_PAUSE_SECONDS)
        if self._is_cancelled:
            raise asyncio.CancelledError
        return await super()._select_pod()


async def opened(api: Any, pod: str, namespace: str, port: int) -> tuple[Any, int]:  # noqa: ANN401 - kr8s has no types
    """Open a port-forward to a port of a pod.

    Args:
        api: The client of kr8s.
        pod: The pod's name.
        namespace: Its namespace.
        port: The port in the pod.

    Returns:
        The port-forward, and the local port that leads to it.

    Raises:
        ClusterError: When no local port can be opened.
        Exception: What kr8s and httpx raise; see `errors.explained`.
    """
    found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=api)

    async def attempt() -> tuple[Any, int]:
        forward: Any = BackoffPortForward(found, port, local_port="auto")
        return forward, await forward.__aenter__()

    try:
        return await LOCAL_PORT.call_async(attempt, _is_port_taken)
    except OSError as error:
        raise ClusterError(f"no local port can be opened for the port-forward: {error}") from None


def _is_port_taken(error: BaseException) -> bool:
    """Return whether another process was faster: kr8s looks for a free port first, and opens it later."""
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


async def close(forward: Any) -> None:  # noqa: ANN401 - kr8s has no types
    """Close a port-forward, also one that still tries to connect."""
    forward.cancel()
    await forward.__aexit__(None, None, None)
