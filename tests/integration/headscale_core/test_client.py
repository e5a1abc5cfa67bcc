"""What the contract of Headscale does not prove of real processes: the calls behind an answer, and REST as a whole."""

import pytest

from headscale_core import AlreadyExists, NotFound, api_key_prefix
from tests.builders import in_a

READING = {"Health", "ListUsers", "ListPreAuthKeys", "CheckPolicy"}


def recorded(client):
    """Return the calls that a client makes from now on, each with its answer where there is one."""
    calls, call = [], client._transport.call

    def record(method, request, answer):
        calls.append((method, None))
        calls[-1] = (method, call(method, request, answer))
        return calls[-1][1]

    client._transport.call = record
    return calls


def test_finding_the_version_only_reads(any_headscale):
    with any_headscale.client() as client:
        calls = recorded(client)
        client.version()

    assert {method for method, _ in calls} <= READING


def test_health_lists_no_user(any_headscale):
    with any_headscale.client() as client:
        client.create_user("alice")
        calls = recorded(client)
        client.health()

    method, answer = calls[-1]
    assert method == ("ListUsers" if any_headscale.version == "0.26" else "Health")
    assert answer.ByteSize() == 0 or method == "Health"


def test_rest_supports_every_call_of_grpc(headscale):
    with headscale.client() as client:
        client.health()
        alice = client.create_user("alice", display_name="Alice", email="a@example.com", picture_url="https://a/b.jpg")
        assert client.rename_user(alice.id, "alicia").name == "alicia"
        assert client.list_users(name="alicia") == client.list_users(user_id=alice.id)
        with pytest.raises(AlreadyExists):
            client.create_user("alicia")
        with pytest.raises(NotFound):
            client.create_pre_auth_key(user_id=99, expiration=in_a(1))
        expiration = in_a(1).replace(microsecond=123457)
        key = client.create_pre_auth_key(user_id=alice.id, expiration=expiration, reusable=True, tags=["tag:a"])
        (listed,) = client.list_pre_auth_keys()
        assert (listed.expiration, listed.user.id, listed.tags) == (expiration, alice.id, ("tag:a",))
        client.expire_pre_auth_key(key)
        client.delete_pre_auth_key(key.id)
        client.delete_pre_auth_key(key.id)
        assert client.list_pre_auth_keys() == client.list_nodes() == []
        text = client.create_api_key(expiration)
        assert [value.expiration for value in client.list_api_keys()] == [expiration]
        client.expire_api_key(api_key_prefix(text))
        client.delete_api_key(api_key_prefix(text))
        with pytest.raises(NotFound):
            client.delete_api_key(api_key_prefix(text))
        client.delete_user(alice.id)
        with pytest.raises(NotFound):
            client.delete_user(alice.id)


def test_user_deletion_wipes_all_keys_only_on_028(headscale):
    """By every transport, and on builds that only speak REST, which the contract leaves out."""
    with headscale.client() as client:
        alice, bob = client.create_user("alice"), client.create_user("bob")
        client.create_pre_auth_key(user_id=alice.id, expiration=in_a(1))
        client.delete_user(bob.id)

        assert len(client.list_pre_auth_keys()) == (0 if headscale.version == "0.28" else 1)
