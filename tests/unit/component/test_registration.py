"""The order in which users and keys are registered."""

import pytest

from headscale_component import Headscale
from headscale_component.registration import USERS_AT_ONCE

SMALLEST = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}}
MANY = 5 * USERS_AT_ONCE


@pytest.fixture
def declare_many(record):
    """Declare many users with a key each, and return what was registered, by name, in order."""

    def run(refused=None):
        users = {f"u{number}": {} for number in range(MANY)}
        keys = {f"{name}-key": {"user": name} for name in users}
        recorded = record(lambda: Headscale("vpn", {**SMALLEST, "users": users, "preAuthKeys": keys}), refused=refused)
        return {request.name: request for request in recorded.requests}

    return run


def test_keys_begin_before_the_last_user(declare_many):
    names = list(declare_many())

    assert names.index("vpn-u0-key") < names.index(f"vpn-u{MANY - 1}")
    assert {f"vpn-u{number}" for number in range(MANY)} <= set(names)


def test_users_depend_on_no_other_user(declare_many):
    requests = declare_many()

    last = requests[f"vpn-u{MANY - 1}"]
    assert not [urn for urn in last.dependencies if ":User::" in urn]


def test_refused_user_is_reported_and_nothing_waits(declare_many):
    with pytest.raises(ValueError, match="vpn-u0 is refused"):
        declare_many(refused="vpn-u0")
