"""A Headscale that comes back with an empty database while the sidecar runs on: it is open until it has a policy."""

import pytest

from headscale_sidecar.headscale import DenyAllError

from .test_sidecar import Store, a_controller, a_secret


@pytest.fixture
def calls():
    return []


def controller_of(calls, works, outcomes=()):
    """Return a controller after its first turn."""
    errors = iter([None, *outcomes])

    def deny_all():
        calls.append("policy")
        if error := next(errors, None):
            raise error
        return True

    controller, events, _ = a_controller(
        Store(a_secret()), works=[True, *works], replaced_with=a_secret(90), deny_all=deny_all
    )
    rotate = controller.rotate
    controller.rotate = lambda: calls.append("key") or rotate()
    controller.reconcile_once()
    calls.clear()
    return controller, events


def test_unknown_key_has_policy_ensured_first(calls):
    controller, events = controller_of(calls, [False, True])

    controller.reconcile_once()

    assert calls == ["policy", "key"]
    stored = "stored a policy that denies everything"
    assert [event for event, _ in events] == [stored, "ready", stored, "created an API key", "ready"]


def test_failed_policy_is_retried_before_the_key(calls):
    controller, _ = controller_of(calls, [False, False, True], [DenyAllError("Unreachable", "no")] * 5)

    pauses = [controller.reconcile_once() for _ in range(5)]
    controller.reconcile_once()

    assert calls == ["policy"] * 6 + ["policy", "key"]
    assert pauses[-1] <= 1


def test_known_key_leaves_the_policy_alone(calls):
    controller, _ = controller_of(calls, [True])

    controller.reconcile_once()

    assert calls == []
