"""A policy's own tests, on a tailnet whose nodes join later (Headscale 0.29 runs them whenever a policy is stored)."""

import contextlib
import json

import pytest

from dynamic_providers.admin.channel import Channel, Settings
from dynamic_providers.failures import UserFacingError
from dynamic_providers.policy import PolicyProvider
from tests.builders import in_a
from tests.integration.conftest import running

PLAIN = {
    "tagOwners": {"tag:db": ["ada@"]},
    "acls": [{"action": "accept", "src": ["ada@"], "dst": ["tag:db:5432"]}],
    "ssh": [{"action": "accept", "src": ["ada@"], "dst": ["tag:db"], "users": ["root"]}],
}
RUN_NOW = {"src": "100.64.0.77", "deny": ["100.64.0.78:22"]}
RUN_LATER = {"src": "ada@", "accept": ["tag:db:5432"], "deny": ["tag:db:22"]}
SSH = {"src": "ada@", "dst": ["tag:db"], "accept": ["root"]}
DECLARED = {**PLAIN, "tests": [RUN_NOW, RUN_LATER], "sshTests": [SSH]}
SKIPPED = ["tests[1]", "sshTests[0]"]


@pytest.fixture
def headscale(tmp_path):
    with running("0.29", tmp_path) as headscale, headscale.client() as local:
        local.create_user("ada")
        yield headscale


@pytest.fixture
def provider(headscale):
    """A provider that reaches it; each warning is kept."""
    with headscale.client() as local:
        key = local.create_api_key(in_a(1))
    settings = Settings("vpn", "ns", channel="direct", address=headscale.grpc_address, api_key=key)
    with contextlib.closing(Channel(settings)) as channel:
        provider = PolicyProvider()
        provider._channel = channel
        yield provider


@pytest.fixture
def messages(monkeypatch):
    messages = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)
    monkeypatch.setattr("pulumi.log.info", messages.append)
    return messages


def stored(headscale):
    with headscale.client() as client:
        return json.loads(client.get_policy() or "{}")


def props(document):
    return {"policy": json.dumps(document), "server_check": True}


def nodes_join(headscale):
    for number in (1, 2):
        key = f"hskey-authreq-{number:024d}"
        headscale.cli("debug", "create-node", "--name", f"node-{number}", "-u", "ada", "-k", key)
        headscale.cli("auth", "register", "-u", "ada", "--auth-id", key)
    headscale.cli("nodes", "tag", "-i", "2", "-t", "tag:db")


def test_tests_without_nodes_are_left_out(headscale, provider, messages):
    made = provider.create(props(DECLARED))

    assert stored(headscale) == {**PLAIN, "tests": [RUN_NOW]}
    assert made.outs["tests_skipped"] == SKIPPED
    assert "stored without `tests[1]` (src `ada@`), `sshTests[0]` (src `ada@`)" in messages[0]
    seen = provider.read("policy", made.outs)
    assert (seen.outs, seen.inputs) == (made.outs, props(DECLARED))
    assert provider.diff("policy", seen.outs, props(DECLARED)).changes is False


def test_tests_are_stored_once_nodes_have_joined(headscale, provider, messages):
    made = provider.create(props(DECLARED))
    nodes_join(headscale)

    seen = provider.read("policy", made.outs)
    assert provider.diff("policy", seen.outs, props(DECLARED)).changes is True
    updated = provider.update("policy", seen.outs, props(DECLARED))

    assert (stored(headscale), updated.outs) == (DECLARED, props(DECLARED))
    assert provider.diff("policy", updated.outs, props(DECLARED)).changes is False


def test_a_failing_test_refuses_and_is_named(headscale, provider, messages):
    made = provider.create(props(DECLARED))
    nodes_join(headscale)
    before = stored(headscale)
    wrong = {**DECLARED, "tests": [{"src": "ada@", "deny": ["tag:db:5432"]}]}

    with pytest.raises(UserFacingError, match="ada@ -> tag:db:5432: expected DENIED, got ALLOWED"):
        provider.update("policy", made.outs, props(wrong))

    assert stored(headscale) == before


def test_failing_test_without_nodes_refuses_policy(headscale, provider, messages):
    wrong = {**DECLARED, "tests": [RUN_LATER, {"src": "100.64.0.77", "accept": ["100.64.0.78:22"]}]}

    assert "expected ALLOWED, got DENIED" in provider.check({}, props(wrong)).failures[0].reason
    with pytest.raises(UserFacingError, match="expected ALLOWED, got DENIED"):
        provider.create(props(wrong))


def test_a_run_killed_after_storing_is_repeated(headscale, provider, messages):
    provider.create(props(DECLARED))

    assert provider.create(props(DECLARED)).outs["tests_skipped"] == SKIPPED


def test_removed_tests_are_restored(headscale, provider, messages):
    made = provider.create(props(PLAIN))
    nodes_join(headscale)
    whole = provider.update("policy", made.outs, props(DECLARED))
    with headscale.client() as client:
        client.set_policy(json.dumps(PLAIN))

    seen = provider.read("policy", whole.outs)
    provider.update("policy", seen.outs, props(DECLARED))

    assert stored(headscale) == DECLARED


def test_another_policy_is_drift_whatever_its_tests(headscale, provider, messages):
    made = provider.create(props(DECLARED))
    with headscale.client() as client:
        client.set_policy(json.dumps({**PLAIN, "acls": []}))

    seen = provider.read("policy", made.outs)

    assert json.loads(seen.inputs["policy"]) == {**PLAIN, "acls": []}
    assert provider.diff("policy", seen.outs, props(DECLARED)).changes is True


def test_preview_warns_of_tests_without_nodes(provider, messages):
    assert provider.check({}, props(DECLARED)).failures == []
    assert "no node of these sources has joined yet" in messages[0]
    messages.clear()
    provider.channel.settings = Settings("vpn", "ns", channel="direct", address="127.0.0.1:1", api_key="x")

    assert provider.check({}, props(DECLARED)).failures == []
    assert "its tests need nodes" in messages[0]


def test_a_policy_goes_into_a_new_database(headscale, provider, messages):
    """The state may know it from another one."""
    provider.update("policy", {"policy": "{}"}, props(PLAIN))

    assert stored(headscale) == PLAIN
