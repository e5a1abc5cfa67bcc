"""The order in which users and keys are registered."""

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor

from headscale_component import Headscale
from headscale_component.registration import USERS_AT_ONCE

SMALLEST = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}}
MANY = 5 * USERS_AT_ONCE


class Mocks(pulumi.runtime.Mocks):
    """Takes everything but one name, which is refused."""

    def __init__(self, refused=None):
        self.refused = refused

    def new_resource(self, args):
        if args.name == self.refused:
            raise ValueError(f"{args.name} is refused")
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args):
        return {}


class Monitor(MockMonitor):
    """Keeps every request in order."""

    def __init__(self, mocks):
        super().__init__(mocks)
        self.requests = []

    def RegisterResource(self, request):  # noqa: N802 - the name of the SDK
        self.requests.append(request)
        return super().RegisterResource(request)


def declare_many(refused=None):
    """Declare many users with a key each, and return what was registered, by name, in order."""
    mocks = Mocks(refused)
    monitor = Monitor(mocks)
    pulumi.runtime.set_mocks(mocks, monitor=monitor)
    users = {f"u{number}": {} for number in range(MANY)}
    keys = {f"{name}-key": {"user": name} for name in users}
    pulumi.runtime.test(lambda: Headscale("vpn", {**SMALLEST, "users": users, "preAuthKeys": keys}))()
    return {request.name: request for request in monitor.requests}


def test_keys_begin_before_the_last_user(event_loop):
    names = list(declare_many())

    assert names.index("vpn-u0-key") < names.index(f"vpn-u{MANY - 1}")
    assert {f"vpn-u{number}" for number in range(MANY)} <= set(names)


def test_users_depend_on_no_other_user(event_loop):
    requests = declare_many()

    last = requests[f"vpn-u{MANY - 1}"]
    assert not [urn for urn in last.dependencies if ":User::" in urn]


def test_a_refused_user_is_reported_and_nothing_waits(event_loop):
    with pytest.raises(ValueError, match="vpn-u0 is refused"):
        declare_many(refused="vpn-u0")
