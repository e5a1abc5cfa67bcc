"""What every Headscale does that the client relies on, and what each of its errors is called."""

from datetime import UTC, datetime, timedelta

import pytest

from headscale_core import (
    AlreadyExists,
    FailedPrecondition,
    HeadscaleClient,
    HeadscaleError,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unreachable,
    api_key_prefix,
)
from headscale_core.values.versions import HeadscaleVersion
from headscale_sidecar.headscale import is_api_key_valid

WRONG_KEYS = pytest.mark.parametrize("key", ["nonsense", "hskey-api-AAAAAAAAAAAA-" + "B" * 64])


def in_an_hour():
    return datetime.now(UTC) + timedelta(hours=1)


def minor(headscale):
    return int(headscale.version.removeprefix("0."))


def test_version_is_detected_by_read_only_calls(any_headscale):
    with any_headscale.client() as client:
        assert client.version() == HeadscaleVersion(0, minor(any_headscale))
        assert client.list_users() == client.list_pre_auth_keys() == client.list_api_keys() == []


def test_version_is_found_behind_a_key(any_headscale):
    with any_headscale.client() as local:
        alice = local.create_user("alice")
        local.create_pre_auth_key(user_id=alice.id, expiration=in_an_hour())
        key = local.create_api_key(in_an_hour())
    with HeadscaleClient.over_tcp(any_headscale.grpc_address, api_key=key) as remote:
        assert remote.version() == HeadscaleVersion(0, minor(any_headscale))


@WRONG_KEYS
def test_sidecar_finds_unknown_key_invalid(any_headscale, key):
    with any_headscale.client() as local:
        valid = local.create_api_key(in_an_hour())

    assert is_api_key_valid(any_headscale.url, valid)
    assert not is_api_key_valid(any_headscale.url, key)


def test_version_is_the_same_by_every_transport(headscale):
    with headscale.client() as client:
        assert client.version() == HeadscaleVersion(0, minor(headscale) if headscale.version != "next" else 30)


def test_health_is_answered_by_every_version(any_headscale):
    with any_headscale.client() as client:
        client.health()


def test_renamed_user_keeps_profile_and_id(any_headscale):
    with any_headscale.client() as client:
        made = client.create_user(
            "alice", display_name="Alice Smith", email="alice@example.com", picture_url="https://example.com/alice.jpg"
        )
        renamed = client.rename_user(made.id, "alicia")

        assert (renamed.id, renamed.name) == (made.id, "alicia")
        assert client.list_users(name="alicia") == client.list_users(user_id=made.id) == client.list_users()
        (found,) = client.list_users()
        assert (found.display_name, found.email) == ("Alice Smith", "alice@example.com")
        assert found.picture_url == "https://example.com/alice.jpg"


def test_user_id_is_never_used_again(any_headscale):
    with any_headscale.client() as client:
        first = client.create_user("alice")
        client.delete_user(first.id)

        assert client.create_user("alice").id > first.id


def test_taken_name_already_exists(any_headscale):
    with any_headscale.client() as client:
        client.create_user("alice")
        bob = client.create_user("bob")

        with pytest.raises(AlreadyExists):
            client.create_user("alice")
        with pytest.raises(AlreadyExists):
            client.rename_user(bob.id, "alice")


def test_missing_user_is_not_found(any_headscale):
    with any_headscale.client() as client:
        assert client.list_users(user_id=99) == client.list_users(name="nobody") == []
        with pytest.raises(NotFound):
            client.rename_user(99, "alice")
        with pytest.raises(NotFound):
            client.delete_user(99)
        with pytest.raises(NotFound):
            client.create_pre_auth_key(user_id=99, expiration=in_an_hour())
        with pytest.raises(NotFound):
            client.list_nodes("nobody")


def test_missing_node_is_not_found(headscale):
    with headscale.client() as client:
        with pytest.raises(NotFound):
            client.delete_node(99)
        with pytest.raises(HeadscaleError, match="node no longer exists in NodeStore: 99"):
            client.expire_node(99)


def test_user_of_identity_provider_may_share_name(headscale):
    with headscale.client() as client:
        client.create_user("alice")
    headscale.add_oidc_user("alice", "alice@example.com")
    with headscale.client() as client:
        local, other = client.list_users(name="alice")

    assert (local.provider, local.provider_id) == ("", "")
    assert (other.provider, other.provider_id, other.email) == ("oidc", "https://id/alice", "alice@example.com")


def test_user_with_nodes_cannot_be_deleted(headscale):
    with headscale.client() as client:
        alice = client.create_user("alice")
        headscale.join("alice", 1)

        with pytest.raises(FailedPrecondition):
            client.delete_user(alice.id)
        (node,) = client.list_nodes("alice")
        assert (node.given_name, node.user.id) == ("node-1", alice.id)
        client.delete_node(node.id)
        client.delete_user(alice.id)

        assert client.list_users() == client.list_nodes() == []


def test_pre_auth_key_is_listed_without_its_text(any_headscale):
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        key = client.create_pre_auth_key(
            user_id=alice.id, expiration=in_an_hour(), reusable=True, ephemeral=True, tags=["tag:b", "tag:a"]
        )
        (listed,) = client.list_pre_auth_keys()

    assert len(key.key) >= 48
    assert (listed.key == key.key) is (minor(any_headscale) < 28)
    assert key.key.startswith(listed.key.removesuffix("***"))
    assert (listed.id, listed.reusable, listed.ephemeral, listed.used) == (key.id, True, True, False)
    assert (listed.user.id, sorted(listed.tags)) == (alice.id, ["tag:a", "tag:b"])


def test_pre_auth_key_expires_and_is_deleted(any_headscale):
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        key = client.create_pre_auth_key(user_id=alice.id, expiration=in_an_hour())

        client.expire_pre_auth_key(key)
        assert client.list_pre_auth_keys()[0].expiration <= datetime.now(UTC)
        client.delete_pre_auth_key(key.id)
        client.delete_pre_auth_key(key.id)

        assert len(client.list_pre_auth_keys()) == (0 if minor(any_headscale) >= 28 else 1)


def test_key_expirations_are_kept_to_the_microsecond(any_headscale):
    """A run that was killed finds its own keys by this."""
    expiration = in_an_hour().replace(microsecond=123457)
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        client.create_pre_auth_key(user_id=alice.id, expiration=expiration)
        client.create_api_key(expiration)

        assert [key.expiration for key in client.list_pre_auth_keys()] == [expiration]
        assert [key.expiration for key in client.list_api_keys()] == [expiration]


def test_key_with_tags_alone_has_no_user(headscale):
    with headscale.client() as client:
        assert client.create_pre_auth_key(user_id=None, expiration=in_an_hour(), tags=["tag:ci"]).user is None


@pytest.mark.parametrize("tags", [[], ["ci"], ["tag:CI"]], ids=["none", "no prefix", "capitals"])
def test_wrong_tags_are_an_invalid_argument(headscale, tags):
    with headscale.client() as client, pytest.raises(InvalidArgument):
        client.create_pre_auth_key(user_id=None, expiration=in_an_hour(), tags=tags)


def test_deleted_user_takes_its_own_keys(any_headscale):
    with any_headscale.client() as client:
        alice = client.create_user("alice")
        client.create_pre_auth_key(user_id=alice.id, expiration=in_an_hour())
        client.delete_user(alice.id)

        assert client.list_pre_auth_keys() == []


def test_deleted_user_takes_all_keys_on_0_28(any_headscale):
    """Headscale issue 3154: the reason for which the provider refuses it there."""
    with any_headscale.client() as client:
        alice, bob = client.create_user("alice"), client.create_user("bob")
        client.create_pre_auth_key(user_id=alice.id, expiration=in_an_hour())
        client.delete_user(bob.id)

        assert len(client.list_pre_auth_keys()) == (0 if any_headscale.version == "0.28" else 1)


def test_api_key_works_until_it_expires(any_headscale):
    with any_headscale.client() as local:
        key = local.create_api_key(in_an_hour())
        with any_headscale.remote(key) as remote:
            assert [listed.prefix for listed in remote.list_api_keys()] == [api_key_prefix(key)]
            local.expire_api_key(api_key_prefix(key))
            with pytest.raises(Unauthenticated):
                remote.list_users()
        local.delete_api_key(api_key_prefix(key))
        assert local.list_api_keys() == []
        with pytest.raises(NotFound):
            local.delete_api_key(api_key_prefix(key))
        with pytest.raises(NotFound):
            local.expire_api_key(api_key_prefix(key))


@pytest.mark.parametrize("key", [None, "", "nonsense", "hskey-api-AAAAAAAAAAAA-" + "B" * 64])
def test_wrong_key_is_unauthenticated(any_headscale, key):
    with any_headscale.remote(key) as remote, pytest.raises(Unauthenticated) as caught:
        remote.list_users()

    assert not key or key not in str(caught.value)
    assert not caught.value.retryable


@WRONG_KEYS
def test_wrong_key_is_unauthenticated_by_every_transport(headscale, key):
    with headscale.remote(key) as remote, pytest.raises(Unauthenticated) as caught:
        remote.list_users()

    assert key not in str(caught.value)


def test_stopped_server_is_unreachable_and_retryable(headscale):
    with headscale.client(timeout_seconds=2) as client:
        client.list_users()
        headscale.stop()
        with pytest.raises(Unreachable) as caught:
            client.list_users()

    assert caught.value.retryable
    headscale.start()


def test_policy_is_stored_as_it_is_written(headscale):
    with headscale.client() as client:
        with pytest.raises(NotFound):
            client.get_policy()
        client.set_policy('// kept\n{"acls": []}')

        assert client.get_policy() == '// kept\n{"acls": []}'


BROKEN_POLICIES = {
    "syntax": "{nonsense",
    "unknown field": '{"acl": []}',
    "undefined group": '{"acls": [{"action": "accept", "src": ["group:a"], "dst": ["*:*"]}]}',
}


@pytest.mark.parametrize("policy", BROKEN_POLICIES.values(), ids=BROKEN_POLICIES)
def test_broken_policy_is_an_invalid_argument(headscale, policy):
    with headscale.client() as client:
        with pytest.raises(InvalidArgument):
            client.set_policy(policy)
        with pytest.raises(NotFound):
            client.get_policy()


def test_policy_check_stores_nothing(headscale):
    with headscale.client() as client:
        assert client.check_policy('{"acls": []}') == (minor(headscale) >= 29)
        if minor(headscale) >= 29:
            with pytest.raises(InvalidArgument):
                client.check_policy(BROKEN_POLICIES["undefined group"])
        with pytest.raises(NotFound):
            client.get_policy()


def test_policy_test_without_nodes_is_refused(headscale):
    """From 0.29 on; the rules of policies leave such tests out until somebody has joined."""
    policy = (
        '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],'
        ' "tests": [{"src": "alice@", "accept": ["alice@:22"]}]}'
    )
    with headscale.client() as client:
        client.create_user("alice")
        if minor(headscale) < 29:
            return
        with pytest.raises(InvalidArgument, match="resolved to no IP addresses"):
            client.set_policy(policy)
        headscale.join("alice", 1)
        client.set_policy(policy)

        assert client.get_policy() == policy
