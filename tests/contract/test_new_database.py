"""A database that was lost: in its successor ids begin again and belong to others."""

from datetime import UTC, datetime, timedelta

import pytest

from headscale_core.keys import pre_auth_key
from headscale_core.keys.pre_auth_key_secret import by_id
from headscale_core.users import lifecycle
from headscale_core.users.lifecycle import Profile, UserError
from tests.builders import desired_pre_auth_key
from tests.contract.helpers import delete_pre_auth_key, user_ref
from tests.fakes.memory import MemoryStore, MemoryUserRegistry


@pytest.fixture
def lost_database(headscale):
    """What was known of a database that is lost, and its successor, in which ids begin again."""
    store, record, now = MemoryStore(), MemoryUserRegistry(), datetime.now(UTC)
    with headscale.client() as client:
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        state = pre_auth_key.create(client, store, desired_pre_auth_key(user_id=str(alice.id)), now)
    with headscale.successor() as successor:
        yield successor, store, record, alice, state


def test_new_database_key_is_not_the_lost_one(lost_database):
    successor, store, _, _, state = lost_database
    with successor.client() as client:
        client.create_user("alice")
        look = pre_auth_key.observe({}, store.read("ns", "laptop"), desired_pre_auth_key(), state, datetime.now(UTC))
        made = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC), in_state=[state.key_id])
        assert (look.invalid_reason, made.key_id) == ("deleted", state.key_id)

        delete_pre_auth_key(client, store, state)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [made.key_id]
        assert store.read("ns", "laptop").data == {"key": made.text}


def test_same_ids_in_a_new_database_are_foreign(lost_database):
    successor, store, record, alice, state = lost_database
    with successor.client() as client:
        stranger = client.create_user("stranger")
        key = client.create_pre_auth_key(user_id=stranger.id, expiration=datetime.now(UTC) + timedelta(hours=1))
        keys = by_id(client.list_pre_auth_keys())
        assert (stranger.id, str(key.id)) == (alice.id, state.key_id)

        assert (
            pre_auth_key.observe(keys, None, desired_pre_auth_key(), state, datetime.now(UTC)).invalid_reason
            == "deleted"
        )
        delete_pre_auth_key(client, store, state)
        with pytest.raises(UserError, match="is gone"):
            lifecycle.rename(client, user_ref(alice), "alicia", record)
        lifecycle.delete_for_replacement(client, user_ref(alice), "alice", datetime.now(UTC), record)
        lifecycle.delete(client, user_ref(alice), datetime.now(UTC), record)

        assert (len(client.list_pre_auth_keys()), client.list_users()) == (1, [stranger])
        assert record.names == set()
