"""A port-forward that is refused: kr8s alone asks thousands of times a second, and for ever."""

import asyncio
import contextlib
import time
from typing import Any, cast

import httpx_ws
from kr8s.asyncio.objects import Pod

from dynamic_providers.kubernetes import port_forward
from dynamic_providers.kubernetes.port_forward import BackoffPortForward
from dynamic_providers.retry import LOCAL_PORT


class Refusing:
    """An API server that refuses every connection."""

    namespace = "n"

    def __init__(self):
        self.asked = []

    @contextlib.asynccontextmanager
    async def open_websocket(self, **_):
        self.asked.append(time.monotonic())
        raise httpx_ws.HTTPXWSException("403")
        yield


def test_refused_port_forward_backs_off_until_closed(monkeypatch):
    monkeypatch.setattr(port_forward, "_PAUSE_SECONDS", 0.02)
    refusing = Refusing()

    async def story():
        pod = Pod({"metadata": {"name": "vpn-0", "namespace": "n"}}, api=cast(Any, refusing))

        async def enter():
            forward = BackoffPortForward(pod, 1, local_port="auto")
            return forward, await forward.__aenter__()

        forward, port = await LOCAL_PORT.call_async(enter, port_forward._is_port_taken)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        while len(refusing.asked) < 5:  # noqa: ASYNC110 - it is another task that asks
            await asyncio.sleep(0.001)
        forward.cancel()
        writer.close()
        await forward.__aexit__(None, None, None)
        await asyncio.sleep(0.1)
        asked = len(refusing.asked)
        await asyncio.sleep(0.1)
        assert len(refusing.asked) == asked

    asyncio.run(asyncio.wait_for(story(), 10))

    pauses = [after - before for before, after in zip(refusing.asked, refusing.asked[1:], strict=False)]
    assert min(pauses) >= 0.02
