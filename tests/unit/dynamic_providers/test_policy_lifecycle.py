"""What the policy's provider checks, stores, reads and leaves, against a fake Headscale."""

import contextlib

import grpc
import pytest

from dynamic_providers import policy as policy_module
from dynamic_providers import provider as provider_module
from dynamic_providers.failures import UserFacingError
from dynamic_providers.policy import PolicyProvider
from tests.fakes.headscale import FakeHeadscale

OPEN = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}'
CLOSED = '{"acls": []}'
TESTED = '{"acls": [], "tests": [{"src": "alice@", "accept": ["bob@:22"]}]}'
FOREIGN = '{"acls": [], "hosts": {"a": "10.0.0.1"}}'


@pytest.fixture
def headscale():
    with FakeHeadscale("0.29") as server:
        yield server


@pytest.fixture
def messages(monkeypatch):
    lines: list[str] = []
    for level in ("warn", "info"):
        monkeypatch.setattr(f"pulumi.log.{level}", lines.append)
    return lines


@pytest.fixture
def provider(direct, headscale, messages, monkeypatch):
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr(policy_module, "_CONNECT_TIMEOUT_SECONDS", 0.1)
    configured = PolicyProvider()
    configured.configure(direct(headscale))
    yield configured
    configured.channel.close()


def failures(provider, olds, news):
    """Return what a check finds that asks the server."""
    checked = provider.check(olds, {**news, "server_check": True})
    return [(failure.property, failure.reason) for failure in checked.failures]


def test_policy_is_not_sent_to_headscale_unasked(headscale, provider):
    for asked in ({}, {"server_check": None}, {"server_check": False}):
        assert provider.check({}, {"policy": '{"acl": []}', **asked}).failures == []

    assert headscale.calls == ["CreateApiKey"]


def test_server_check_alone_is_no_change(provider):
    for olds, news in (({}, {"server_check": True}), ({"server_check": True}, {})):
        assert not provider.diff("policy", {"policy": OPEN, **olds}, {"policy": OPEN, **news}).changes


def test_changed_policy_is_checked_by_headscale(headscale, provider):
    assert failures(provider, {"policy": OPEN}, {"policy": CLOSED}) == []
    assert "CheckPolicy" in headscale.calls
    ((name, reason),) = failures(provider, {}, {"policy": '{"acl": []}'})

    assert name == "policy"
    assert reason.startswith("Headscale refuses it: ")
    assert "'acl'" in reason
    assert headscale.database.policy is None


def test_unchanged_policy_is_not_shown_to_headscale(headscale, provider):
    assert failures(provider, {"policy": OPEN}, {"policy": OPEN}) == []
    assert headscale.calls == ["CreateApiKey"]


def test_policy_that_is_no_hujson_is_refused_unseen(headscale, provider):
    assert [name for name, _ in failures(provider, {}, {"policy": "{"})] == ["policy"]
    assert headscale.calls == ["CreateApiKey"]


def test_unreachable_headscale_is_a_warning(headscale, provider, messages, monkeypatch):
    monkeypatch.setattr("pulumi.log.info", lambda _text: None)
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")

    assert failures(provider, {}, {"policy": TESTED}) == []
    assert messages[0].startswith("Headscale has not checked the policy: ")
    assert "its tests need nodes" in messages[0]


def test_version_that_cannot_check_is_a_warning(direct, messages, monkeypatch):
    monkeypatch.setattr(provider_module, "_channels", {})
    with FakeHeadscale("0.28") as older:
        provider = PolicyProvider()
        provider.configure(direct(older))
        with contextlib.closing(provider.channel):
            assert failures(provider, {}, {"policy": OPEN}) == []

    assert messages == ["Headscale has not checked the policy: 0.29 and newer can; the running version is 0.28"]


def test_tests_of_absent_nodes_are_left_out(headscale, provider, messages):
    made = provider.create({"policy": TESTED})

    assert (made.id, len(made.outs["tests_skipped"])) == ("policy", 1)
    assert "tests" not in headscale.database.policy
    assert any("is stored without" in line for line in messages)
    read = provider.read("policy", made.outs)
    assert read.outs == made.outs


def test_policy_of_somebody_else_is_not_overwritten(headscale, provider):
    headscale.database.policy = FOREIGN

    for change in (lambda: provider.create({"policy": OPEN}), lambda: provider.update("policy", {}, {"policy": OPEN})):
        with pytest.raises(UserFacingError, match="`overwrite: true`"):
            change()
    assert headscale.database.policy == FOREIGN

    provider.create({"policy": OPEN, "overwrite": True})

    assert headscale.database.policy == OPEN


def test_edited_policy_is_read_and_restored(headscale, provider):
    outs = provider.create({"policy": OPEN}).outs
    headscale.database.policy = FOREIGN

    read = provider.read("policy", outs)
    assert read.inputs == {"policy": FOREIGN}
    assert provider.diff("policy", read.outs, {"policy": OPEN}).changes
    provider.update("policy", read.outs, {"policy": OPEN})

    assert headscale.database.policy == OPEN


def test_another_layout_is_not_stored_again(headscale, provider):
    outs = provider.create({"policy": CLOSED}).outs
    calls = headscale.calls.count("SetPolicy")

    assert provider.update("policy", outs, {"policy": '{\n  "acls": [],\n}'}).outs
    assert headscale.calls.count("SetPolicy") == calls


def test_removed_policy_is_warned_of_and_emptied(headscale, provider, messages):
    outs = provider.create({"policy": OPEN}).outs

    assert provider.diff("policy", outs, {}).changes
    assert "the policy goes (1 of `acls`)" in messages[-1]
    provider.update("policy", outs, {})

    assert headscale.database.policy == ""


def test_undeclared_policy_is_left_to_others(headscale, provider):
    headscale.database.policy = FOREIGN
    made = provider.create({})

    assert provider.read(made.id, made.outs).outs == {}
    provider.delete(made.id, made.outs)
    assert headscale.database.policy == FOREIGN
