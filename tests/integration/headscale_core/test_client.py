"""The client against real headscale processes: what works on every version, and what each error is called."""

from datetime import UTC, datetime, timedelta

import pytest

from headscale_core import (
    AlreadyExists,
    HeadscaleClient,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unreachable,
    api_key_prefix,
)


def in_a(hours):
    return datetime.now(UTC) + timedelta(hours=hours)


def test_the_version_is_found_out_by_what_the_server_can_do(any_headscale):
    with any_headscale.client() as client:
        assert client.version() == int(any_headscale.version.removeprefix("0."))


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


def test_finding_out_the_version_only_reads(any_headscale):
    with any_headscale.client() as client:
        calls = recorded(client)
        client.version()

    assert {method for method, _ in calls} <= READING


def test_the_version_is_found_behind_a_key(any_headscale):
    with any_headscale.client() as local:
        alice = local.create_user("alice")
        local.create_pre_auth_key(user_id=alice.id, expiration=in_a(1))
        key = local.create_api_key(in_a(1))
    with HeadscaleClient.over_tcp(any_headscale.grpc_address, api_key=key) as remote:
        assert remote.version() == int(any_headscale.version.removeprefix("0."))


def test_health_lists_no_user(any_headscale):
    with any_headscale.client() as client:
        client.create_user("alice")
        calls = recorded(client)
        client.health()

    method, answer = calls[-1]
    assert method == ("ListUsers" if any_headscale.version == "0.26" else "Health")
    assert answer.ByteSize() == 0 or method == "Health"


def test_a_user_keeps_its_profile_and_its_id_through_a_rename(any_headscale):
    with any_headscale.client() as client:
        made = client.create_user(
            "alice", display_name="Alice Smith", email="alice@example.com", picture_url="https://example.com/a.jpg"
        )
        renamed = client.rename_user(made.id, "alicia")

        assert (renamed.id, renamed.name) == (made.id, "alicia")
        assert client.list_users(name="alicia") == client.list_users(user_id=made.id) == client.list_users()
        found = client.list_users()[0]
        assert (found.display_name, found.email, found.picture_url) == (
            "Alice Smith",
            "alice@example.com",
            "https://example.com/a.jpg",
        )


def test_a_name_that_is_taken_and_a_user_that_is_not_there_are_named_as_such(any_headscale):
    with any_headscale.client() as client:
        client.create_user("alice")

        with pytest.raises(AlreadyExists):
            client.create_user("alice")
        with pytest.raises(NotFound):
            client.delete_user(99)
        with pytest.raises(NotFound):
            client.create_pre_auth_key(user_id=99, expiration=in_a(1))


def test_a_preauth_key_is_listed_with_everything_but_its_text_and_can_be_ended_and_deleted(any_headscale):
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        expiration = in_a(2)
        key = client.create_pre_auth_key(
            user_id=alice.id, expiration=expiration, reusable=True, ephemeral=True, tags=["tag:b", "tag:a"]
        )

        (listed,) = client.list_pre_auth_keys()
        assert len(key.key) >= 48
        assert (listed.id, listed.reusable, listed.ephemeral, listed.used) == (key.id, True, True, False)
        assert (listed.user.id, sorted(listed.tags)) == (alice.id, ["tag:a", "tag:b"])

        client.expire_pre_auth_key(key)
        assert client.list_pre_auth_keys()[0].expiration <= datetime.now(UTC)
        client.delete_pre_auth_key(key.id)
        if client.version() >= 28:
            assert client.list_pre_auth_keys() == []


def test_the_time_at_which_a_key_ends_comes_back_to_the_microsecond(any_headscale):
    """Who makes keys recognises its own by this after a crash."""
    expiration = in_a(1).replace(microsecond=123457)
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        client.create_pre_auth_key(user_id=alice.id, expiration=expiration)
        client.create_api_key(expiration)

        assert [key.expiration for key in client.list_pre_auth_keys()] == [expiration]
        assert [key.expiration for key in client.list_api_keys()] == [expiration]


def test_the_version_is_told_by_rest_as_by_grpc(headscale):
    with headscale.client() as client:
        newest = int(headscale.version.removeprefix("0.")) if headscale.speaks_grpc else 30
        assert client.version() == newest


def test_rest_does_all_that_grpc_does(headscale):
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


def test_a_key_with_tags_alone_belongs_to_nobody(headscale):
    with headscale.client() as client:
        assert client.create_pre_auth_key(user_id=None, expiration=in_a(1), tags=["tag:ci"]).user is None
        with pytest.raises(InvalidArgument):
            client.create_pre_auth_key(user_id=None, expiration=in_a(1))
        with pytest.raises(InvalidArgument):
            client.create_pre_auth_key(user_id=None, expiration=in_a(1), tags=["ci"])


def test_an_api_key_opens_the_door_until_it_is_ended(any_headscale):
    with any_headscale.client() as local:
        key = local.create_api_key(in_a(1))
        with HeadscaleClient.over_tcp(any_headscale.grpc_address, api_key=key) as remote:
            assert [api_key.prefix for api_key in remote.list_api_keys()] == [api_key_prefix(key)]
            local.expire_api_key(api_key_prefix(key))
            with pytest.raises(Unauthenticated):
                remote.list_users()
        local.delete_api_key(api_key_prefix(key))
        assert local.list_api_keys() == []
        with pytest.raises(NotFound):
            local.delete_api_key(api_key_prefix(key))


@pytest.mark.parametrize("key", ["nonsense", "hskey-api-AAAAAAAAAAAA-" + "B" * 64])
def test_a_wrong_key_is_called_so_by_rest_too(headscale, key):
    with headscale.remote(key) as remote, pytest.raises(Unauthenticated) as caught:
        remote.list_users()

    assert key not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "nonsense", "hskey-api-AAAAAAAAAAAA-" + "B" * 64])
def test_a_wrong_key_is_called_a_wrong_key_and_is_not_repeated(any_headscale, key):
    with (
        HeadscaleClient.over_tcp(any_headscale.grpc_address, api_key=key) as remote,
        pytest.raises(Unauthenticated) as caught,
    ):
        remote.list_users()

    assert not key or key not in str(caught.value)


def test_a_server_that_is_gone_is_unreachable_and_the_call_may_be_repeated(headscale):
    client = headscale.client(timeout_seconds=2)
    client.list_users()
    headscale.stop()

    with client, pytest.raises(Unreachable) as caught:
        client.list_users()
    assert caught.value.retryable

    headscale.start()


def test_deleting_a_user_takes_everybodys_keys_on_0_28_only(headscale):
    """Headscale issue 3154: the reason for which the provider refuses it there."""
    with headscale.client() as client:
        alice, bob = client.create_user("alice"), client.create_user("bob")
        client.create_pre_auth_key(user_id=alice.id, expiration=in_a(1))
        client.delete_user(bob.id)

        assert len(client.list_pre_auth_keys()) == (0 if headscale.version == "0.28" else 1)


def test_a_server_checks_a_policy_from_0_29_on_and_stores_none(headscale):
    with headscale.client() as client:
        assert client.check_policy('{"acls": []}') == (headscale.version != "0.28")
        if headscale.version != "0.28":
            with pytest.raises(InvalidArgument):
                client.check_policy('{"acls": [{"action": "accept", "src": ["group:a"], "dst": ["*:*"]}]}')
        with pytest.raises(NotFound):
            client.get_policy()


def test_a_policy_is_stored_and_a_broken_one_is_refused(headscale):
    with headscale.client() as client:
        with pytest.raises(NotFound):
            client.get_policy()
        client.set_policy('// kept\n{"acls": []}')
        assert client.get_policy() == '// kept\n{"acls": []}'
        with pytest.raises(InvalidArgument):
            client.set_policy("{nonsense")
