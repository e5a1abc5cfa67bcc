"""What tests of the providers share: an API server, and an end to what kr8s leaves open."""

import asyncio
import sys
import time

import httpx
import pytest

from tests.fakes.kubernetes import FakeKubernetes


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch):
    """A provider that is configured shortens the tracebacks of its whole process."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """Close the connections that a test has opened; kr8s forgets those of a log-in that was refused."""
    opened, make = [], httpx.AsyncClient.__init__
    loops, new_loop = [], asyncio.new_event_loop
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loops.append(new_loop()) or loops[-1])

    def made(client, *given, **named):
        make(client, *given, **named)
        opened.append((client, asyncio.get_running_loop()))

    monkeypatch.setattr(httpx.AsyncClient, "__init__", made)
    yield
    for client, loop in opened:
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(5)
    for loop in loops:
        loop.call_soon_threadsafe(loop.stop)
        while loop.is_running():
            time.sleep(0.001)
        loop.close()


@pytest.fixture
def api():
    """A running API server."""
    with FakeKubernetes().serving() as server:
        yield server
