"""What tests without an engine share."""

import asyncio

import pytest


@pytest.fixture
def event_loop(monkeypatch):
    """A current event loop, which Outputs need, closed afterwards with those that Pulumi's mocks leave open."""
    loops, new_loop = [], asyncio.new_event_loop

    def recorded_loop():
        loops.append(new_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", recorded_loop)
    asyncio.set_event_loop(asyncio.new_event_loop())
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        # What a program left undone, or left failed, would be reported by a test that comes later.
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left and not loop.is_running():
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
