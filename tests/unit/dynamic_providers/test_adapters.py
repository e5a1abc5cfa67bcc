"""What a preview decides, without any call: checks and differences."""

import asyncio
import errno
import socket
from datetime import UTC, datetime, timedelta

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from dynamic_providers.admin.list_cache import ListCache
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import port_forward
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.user import UserProvider
from headscale_core import User

KEY = {"namespace": "ns", "secret_name": "s", "user_id": "1", "expiration": "1h", "reusable": False, "tags": []}


def in_minutes(minutes):
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def issued_key(**changes):
    """Return the outputs of a valid key; times count from the call, which a long run makes minutes after collection."""
    return {**KEY, "key": "k", "expires_at": in_minutes(30), **changes}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A preview that opens a connection fails here."""

    def refuse(*_):
        raise AssertionError("a preview opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def a_provider(kind):
    provider = kind()
    settings = {"headscale:instance": "vpn", "headscale:namespace": "ns"}
    provider.configure(ConfigureRequest(Config(settings, "project")))
    return provider


def failures(kind, **news):
    return {failure.property: failure.reason for failure in kind().check({}, news).failures}


BAD_USERS = {
    "username": "Bad Name",
    "display_name": "x" * 256,
    "email": "nobody",
    "picture_url": "ftp://example.com",
}


@pytest.mark.parametrize(("name", "value"), BAD_USERS.items(), ids=BAD_USERS)
def test_a_wrong_field_of_a_user_is_refused(name, value):
    assert set(failures(UserProvider, **{"username": "alice", name: value})) == {name}


BAD_KEYS = {"expiration": "never", "tags": ["ci"], "user_id": "0", "secret_name": "Bad Name"}


@pytest.mark.parametrize(("name", "value"), BAD_KEYS.items(), ids=BAD_KEYS)
def test_a_wrong_field_of_a_key_is_refused(name, value):
    assert set(failures(PreAuthKeyProvider, **{**KEY, name: value})) == {name}


def test_key_without_user_or_tags_is_refused():
    assert set(failures(PreAuthKeyProvider, **{**KEY, "user_id": None})) == {"user_id"}


def test_what_is_not_known_yet_is_left_alone():
    news = {**KEY, "user_id": Unknown()}

    result = PreAuthKeyProvider().check({}, news)

    assert (result.failures, result.inputs) == ([], news)


def test_rename_updates_and_new_profile_replaces():
    olds = {"username": "alice", "display_name": "Alice", "user_id": "1"}
    provider = a_provider(UserProvider)

    renamed = provider.diff("1", olds, {"username": "alicia", "display_name": "Alice"})
    altered = provider.diff("1", olds, {"username": "alice", "display_name": "Alicia"})

    assert (renamed.changes, renamed.replaces) == (True, [])
    assert (altered.changes, altered.replaces) == (True, ["display_name"])


def test_replaced_user_is_created_before_deletion():
    """The engine would delete its nodes with `force_delete`, and first of all the Secrets of its keys."""
    olds = {"username": "alice", "email": "a@example.com", "force_delete": True}

    result = a_provider(UserProvider).diff("1", olds, {**olds, "email": "b@example.com"})

    assert (result.replaces, result.delete_before_replace) == (["email"], False)


LEFT_AS_IT_IS = {
    "taken out": ({"email": "a@example.com"}, {}),
    "adopted with it, and declared": ({"unmanaged_profile": {"email": "a@example.com"}}, {"email": "a@example.com"}),
    "adopted with it, and not declared": ({"unmanaged_profile": {"email": "a@example.com"}, "adopt": "true"}, {}),
}


@pytest.mark.parametrize(("state", "declared"), LEFT_AS_IT_IS.values(), ids=LEFT_AS_IT_IS)
def test_undeclared_profile_fields_are_left_unchanged(state, declared):
    result = a_provider(UserProvider).diff("1", {"username": "alice", **state}, {"username": "alice", **declared})

    assert (result.changes, result.replaces) == (False, [])


def test_unchanged_user_has_no_diff():
    olds = {"username": "alice", "email": None, "user_id": "1", "created_at": "x", "__provider": "y"}

    assert a_provider(UserProvider).diff("1", olds, {"username": "alice", "__provider": "z"}).changes is False


@pytest.mark.parametrize("shown", ["", "ada@example.com"])
def test_nameless_user_keeps_its_declared_name(monkeypatch, shown):
    """Google sends no name; a name that is never Headscale's would be declared again in every update."""
    ada = User(5, shown, email="ada@example.com", provider="oidc", provider_id="https://id/5")
    provider = a_provider(UserProvider)
    monkeypatch.setattr(provider.channel.lists, "users", lambda: {"5": ada})
    declared = {"username": "ada", "adopt": "5"}

    read = provider.read("5", {**declared, "user_id": "5", "created_at": ""})

    assert read.outs["username"] == "ada"
    assert provider.diff("5", read.outs, declared).changes is False


@pytest.mark.parametrize(
    "change", [{"expiration": "2h"}, {"reusable": True}, {"tags": ["tag:a"]}, {"user_id": "2"}], ids=str
)
def test_changed_preauth_key_is_replaced_create_before_delete(change):
    result = a_provider(PreAuthKeyProvider).diff("7", issued_key(), {**KEY, **change})

    assert (result.replaces, bool(result.delete_before_replace)) == (list(change), False)


def test_the_order_of_tags_is_no_change():
    olds, news = issued_key(tags=["tag:a", "tag:b"]), {**KEY, "tags": ["tag:b", "tag:a"]}

    assert a_provider(PreAuthKeyProvider).diff("7", olds, news).changes is False


SAME_TIMES = {
    "preauth key, days": (PreAuthKeyProvider, {"expiration": "24h"}, {"expiration": "1d"}),
    "preauth key, minutes": (PreAuthKeyProvider, {"expiration": "1h30m"}, {"expiration": "90m"}),
    "preauth key, renewal": (PreAuthKeyProvider, {"renew_before": "600s"}, {"renew_before": "10m"}),
    "API key": (ApiKeyProvider, {"expiration": "2160h"}, {"expiration": "90d"}),
    "API key, buffer": (ApiKeyProvider, {"rotation_buffer": "240h"}, {"rotation_buffer": "10d"}),
    "API key, overlap": (ApiKeyProvider, {"overlap": "10m"}, {"overlap": "600s"}),
    "API key, none": (ApiKeyProvider, {"overlap": None}, {"overlap": "0s"}),
}


@pytest.mark.parametrize(("kind", "before", "after"), SAME_TIMES.values(), ids=SAME_TIMES)
def test_equal_duration_is_no_change(kind, before, after):
    usual = {**KEY, "expiration": "2160h", "rotation_buffer": "1h"}
    olds = {**usual, "key": "k", "expires_at": (datetime.now(UTC) + timedelta(days=40)).isoformat(), **before}

    result = a_provider(kind).diff("7", olds, {**usual, **after})

    assert (result.changes, result.replaces) == (False, [])


def test_changed_duration_replaces_the_key():
    olds = issued_key(expiration="24h")

    assert a_provider(PreAuthKeyProvider).diff("7", olds, {**KEY, "expiration": "25h"}).replaces == ["expiration"]


def test_changed_tags_warn_that_nodes_keep_theirs(monkeypatch):
    messages = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)

    a_provider(PreAuthKeyProvider).diff("7", issued_key(tags=["tag:ci"]), {**KEY, "tags": ["tag:build"]})

    assert "from `tag:ci` to `tag:build`: nodes that joined with it keep the tags" in messages[0]
    assert "headscale nodes tag" in messages[0]


REUSABLE = {"reusable": True}
ENDS = {
    "good": ({}, {}, False),
    "deleted": ({"invalid_reason": "deleted"}, {}, True),
    "expired manually, whatever the policy": (
        {"invalid_reason": "expired manually"},
        {"recreate_if_invalid": "never"},
        True,
    ),
    "used up": ({"invalid_reason": "used"}, {}, False),
    "used up, always": ({"invalid_reason": "used"}, {"recreate_if_invalid": "always"}, True),
    "expired, single use": ({"expires_in": -1}, {}, False),
    "expired, reusable": ({"expires_in": -1}, REUSABLE, True),
    "expired, reusable, never": ({"expires_in": -1}, {**REUSABLE, "recreate_if_invalid": "never"}, False),
    "expired, whenExpired": ({"expires_in": -1}, {"recreate_if_invalid": "whenExpired"}, True),
    "inside the renewal time": ({"expires_in": 9}, {"renew_before": "10m"}, True),
    "outside the renewal time": ({"expires_in": 11}, {"renew_before": "10m"}, False),
}


@pytest.mark.parametrize(("state", "declared", "is_replaced"), ENDS.values(), ids=ENDS)
def test_key_is_replaced_only_when_due(state, declared, is_replaced):
    times = {"expires_at": in_minutes(state["expires_in"])} if "expires_in" in state else state
    olds = issued_key(**declared, **times)

    result = a_provider(PreAuthKeyProvider).diff("7", olds, {**KEY, **declared})

    assert (result.changes, bool(result.replaces)) == (is_replaced, is_replaced)


def test_edited_secret_is_restored_with_same_key():
    result = a_provider(PreAuthKeyProvider).diff("7", issued_key(secret_drift=True), KEY)

    assert (result.changes, result.replaces) == (True, [])


def test_removed_policy_warns_what_becomes_allowed(monkeypatch):
    messages = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)

    result = a_provider(PolicyProvider).diff("policy", {"policy": '{"acls": [{}, {}], "ssh": [{}]}'}, {})

    assert result.changes
    assert "(2 of `acls`, 1 of `ssh`): without one Headscale lets every node reach every port" in messages[0]


def test_list_cache_shares_one_call():
    asked = []
    list_cache = ListCache(clock=iter([0, 1, 2, 3, 4, 20, 21]).__next__)
    lists = [list_cache.get("users", lambda: asked.append(1) or len(asked)) for _ in range(4)]

    assert (lists, len(asked)) == ([1, 1, 1, 1], 1)
    list_cache.invalidate()
    assert list_cache.get("users", lambda: 7) == 7


@pytest.mark.parametrize(("left", "due"), [(9, True), (11, False)], ids=["inside", "outside"])
def test_api_key_in_buffer_is_rotated_in_place(left, due):
    news = {"namespace": "ns", "secret_name": "s", "expiration": "2160h", "rotation_buffer": "240h"}
    olds = {**news, "expires_at": (datetime.now(UTC) + timedelta(days=left)).isoformat()}

    result = a_provider(ApiKeyProvider).diff("id", olds, news)

    assert (result.changes, result.replaces) == (due, [])


KINDS = (UserProvider, PreAuthKeyProvider, ApiKeyProvider, PolicyProvider)


def test_names_in_state_stay():
    assert [f"{kind.__module__}.{kind.__name__}" for kind in KINDS] == [
        "dynamic_providers.user.UserProvider",
        "dynamic_providers.pre_auth_key.PreAuthKeyProvider",
        "dynamic_providers.api_key.ApiKeyProvider",
        "dynamic_providers.policy.PolicyProvider",
    ]
    assert not any(kind.serialize_as_secret_always for kind in KINDS)


@pytest.mark.parametrize(("taken", "opens"), [(2, True), (5, False)])
def test_taken_port_is_retried(monkeypatch, taken, opens):
    """kr8s looks for a free port, and takes it a moment later."""
    tries = []

    class Forward:
        def __init__(self, *_, **__):
            pass

        async def __aenter__(self):
            tries.append(1)
            if len(tries) <= taken:
                raise OSError(errno.EADDRINUSE, "address already in use")
            return 40000

    async def pod(*_, **__):
        return object()

    monkeypatch.setattr("dynamic_providers.kubernetes.port_forward.BackoffPortForward", Forward)
    monkeypatch.setattr("dynamic_providers.kubernetes.port_forward.Pod", pod)

    if opens:
        assert asyncio.run(port_forward.opened(None, "vpn-0", "n", 1))[1] == 40000
    else:
        with pytest.raises(ClusterError, match=r"no local port .* in use"):
            asyncio.run(port_forward.opened(None, "vpn-0", "n", 1))
    assert len(tries) == min(taken + 1, 5)
