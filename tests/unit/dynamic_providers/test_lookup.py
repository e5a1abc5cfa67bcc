"""What a program reads of a running Headscale, and the error where there is none."""

import contextlib
from datetime import UTC, datetime

import grpc
import pulumi
import pytest
from pulumi.output import Unknown

from dynamic_providers import lookup
from dynamic_providers.settings import Settings
from headscale_core import HeadscaleClient
from tests.fakes.headscale import FakeHeadscale


@pytest.fixture
def headscale():
    with FakeHeadscale("0.29") as server:
        yield server


@pytest.fixture
def ask(headscale, api, monkeypatch):
    """Look something up as a program does; takes the lookup, and returns what it comes to."""
    monkeypatch.setattr(lookup, "_CONNECT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(lookup, "_PREVIEW_CONNECT_TIMEOUT_SECONDS", 0.1)
    found = []
    monkeypatch.setattr(lookup, "_read", lambda _connection, look, _after: found.append(look))
    with contextlib.ExitStack() as ends:
        local = ends.enter_context(HeadscaleClient.over_unix_socket(headscale.socket_path))
        key = local.create_api_key(datetime(2100, 1, 1, tzinfo=UTC))
        settings = Settings(
            "vpn", "n", channel="direct", kubeconfig=api.kubeconfig, address=headscale.grpc_address, api_key=key
        )

        def run(look, *arguments, **options):
            look(None, *arguments, **options)
            return lookup._run(settings, found.pop())

        yield run


def test_user_is_found_by_name(headscale, ask):
    headscale.database.add_user("alice")

    user = ask(lookup.get_user, "alice")

    assert (user.id, user.name) == (1, "alice")


def test_missing_user_ends_the_program(ask):
    with pytest.raises(pulumi.RunError, match="there is none with the name `alice` in Headscale"):
        ask(lookup.get_user, "alice")


def test_ambiguous_user_ends_the_program(headscale, ask):
    headscale.database.add_user("alice")
    headscale.add_oidc_user("alice")

    with pytest.raises(pulumi.RunError, match=r"there is more than one \(ids 1, 2\) with the name `alice`"):
        ask(lookup.get_user, "alice")


def test_nodes_are_those_of_a_user(headscale, ask):
    for number, name in enumerate(("alice", "bob")):
        headscale.database.add_user(name)
        headscale.join(name, number)

    assert [node.name for node in ask(lookup.list_nodes, user="bob")] == ["node-1"]
    assert len(ask(lookup.list_nodes)) == 2


def test_policy_is_read_as_it_is_stored(headscale, ask):
    assert ask(lookup.get_policy) == ""

    headscale.database.policy = text = '{"acls": []}'

    assert ask(lookup.get_policy) == text


def test_unreachable_headscale_ends_the_program(headscale, ask):
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")

    with pytest.raises(pulumi.RunError, match="failed to connect"):
        ask(lookup.get_policy)


def test_refused_call_ends_the_program(headscale, ask):
    headscale.refuse = lambda _method: (grpc.StatusCode.PERMISSION_DENIED, "no")

    with pytest.raises(pulumi.RunError, match="is not allowed: no"):
        ask(lookup.get_policy)


def test_unreachable_headscale_is_unknown_in_a_preview(headscale, ask, monkeypatch):
    messages: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")

    assert isinstance(ask(lookup.get_policy), Unknown)
    assert messages[0].startswith("not known in this preview: ")
