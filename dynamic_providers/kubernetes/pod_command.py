"""Commands in a container of a pod, by kr8s; loaded with the first of them."""

from __future__ import annotations

import asyncio
from typing import Any

from kr8s.asyncio.objects import Pod

from dynamic_providers.errors import ClusterError

_MAX_STDERR = 300


async def execute(
    api: Any,  # noqa: ANN401 - kr8s has no types
    pod: str,
    namespace: str,
    container: str,
    command: list[str],
    *,
    timeout_seconds: float,
) -> str:
    """Run a command and return its standard output.

    Args:
        api: The client of kr8s.
        pod: The pod's name.
        namespace: Its namespace.
        container: The container's name.
        command: The command and its arguments.
        timeout_seconds: For the whole command, in seconds.

    Raises:
        ClusterError: When it exits with another code than 0.
        TimeoutError: When it takes longer.
        Exception: What kr8s and httpx raise; see `errors.explained`.
    """
    found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=api)
    async with asyncio.timeout(timeout_seconds):
        done = await found.exec(command, container=container, check=False, capture_output=True)
    if done.returncode:
        words = " ".join(command[:3])
        stderr = bytes(done.stderr).decode(errors="replace")[:_MAX_STDERR]
        raise ClusterError(f"`{words}` failed in pod {namespace}/{pod}: {stderr}")
    return bytes(done.stdout).decode(errors="replace")
