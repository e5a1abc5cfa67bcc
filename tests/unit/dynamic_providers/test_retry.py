"""How the providers retry: how often, with which pauses, after which errors, and until when."""

import asyncio
from types import SimpleNamespace

import pytest

from dynamic_providers import retry
from dynamic_providers.errors import ClusterError, ConnectionLost
from dynamic_providers.retry import CONFLICT, CONNECT, CONNECTION_LOST, LOCAL_PORT, LOG_IN, POD_START, RetryPolicy


@pytest.fixture
def slept(monkeypatch):
    """Run on a clock that only pauses move; return the pauses."""
    now, pauses = [100.0], []

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    async def sleep_async(seconds):
        sleep(seconds)

    monkeypatch.setattr("tenacity.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(retry, "_sleep", sleep)
    monkeypatch.setattr(retry, "_sleep_async", sleep_async)
    return pauses


def failing(times, error=ConnectionLost):
    """Return an action that fails a few times, and then returns how often it was called."""
    calls = []

    def action():
        calls.append(1)
        if len(calls) <= times:
            raise error(f"attempt {len(calls)}")
        return len(calls)

    return action


def is_lost(error):
    return isinstance(error, ConnectionLost)


PAUSES = {
    "lost connection": (CONNECTION_LOST, [0.5, 1.0]),
    "log-in": (LOG_IN, [0.5, 1.0]),
    "conflict": (CONFLICT, [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]),
    "local port": (LOCAL_PORT, [0.01, 0.02, 0.04, 0.08]),
}


@pytest.mark.parametrize(("policy", "longest"), PAUSES.values(), ids=PAUSES)
def test_policy_backs_off_up_to_its_maximum(slept, policy, longest):
    with pytest.raises(ConnectionLost, match=f"attempt {len(longest) + 1}"):
        policy.call(failing(99), is_lost)

    assert len(slept) == len(longest)
    for pause, most in zip(slept, longest, strict=True):
        assert most * (1 - policy.jitter) - 1e-9 <= pause <= most + 1e-9


DEADLINES = {"connect": (CONNECT, 40.0), "pod start": (POD_START, 5.0)}


@pytest.mark.parametrize(("policy", "deadline"), DEADLINES.values(), ids=DEADLINES)
def test_policy_without_attempts_ends_at_its_deadline(slept, policy, deadline):
    with pytest.raises(ConnectionLost):
        policy.call(failing(999), is_lost)

    assert deadline - policy.max_seconds <= sum(slept) < deadline


@pytest.mark.parametrize("deadline", [0.0, 0.3])
def test_pause_past_the_deadline_is_not_begun(slept, deadline):
    with pytest.raises(ConnectionLost, match="attempt 1"):
        CONNECT.call(failing(99), is_lost, deadline_seconds=deadline)

    assert slept == []


def test_jitter_differs_between_programs(slept):
    with pytest.raises(ConnectionLost):
        RetryPolicy(9, 1.0, 1.0, jitter=0.5).call(failing(99), is_lost)

    assert len(set(slept)) == 8


@pytest.mark.parametrize("times", [0, 1, 2])
def test_lost_connection_is_attempted_three_times(slept, times):
    assert retry.retry_idempotent(failing(times)) == times + 1
    assert len(slept) == times


def test_error_of_the_last_attempt_is_raised(slept):
    with pytest.raises(ConnectionLost, match="attempt 3"):
        retry.retry_idempotent(failing(9))

    assert len(slept) == 2


@pytest.mark.parametrize("error", [ClusterError, KeyboardInterrupt])
def test_other_error_is_raised_at_once(slept, error):
    with pytest.raises(error, match="attempt 1"):
        retry.retry_idempotent(failing(9, error))

    assert slept == []


def test_policy_is_the_same_on_an_event_loop(slept):
    action = failing(2)

    async def attempt():
        return action()

    assert asyncio.run(LOCAL_PORT.call_async(attempt, is_lost)) == 3
    assert len(slept) == 2
