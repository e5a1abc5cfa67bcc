"""Users against a real Headscale: found, adopted, renamed, deleted, with the run ending at every step."""

import sqlite3
from datetime import UTC, datetime

import pytest

from dynamic_providers.rules import pre_auth_key, user
from dynamic_providers.rules.user import Profile, UserError
from headscale_api import User
from headscale_api.stored_keys.store import Dress
from tests.integration.deaths import Failed, Killed, MemoryRecord, MemoryStore, Mortal, lives

from .test_killed import a_key

ENDS = pytest.mark.parametrize("end", [Killed, Failed])
ALICE = Profile("Alice", "alice@example.com")


@ENDS
def test_a_user_whose_making_ends_anywhere_is_one_user_after_the_next_run(headscale, end):
    with headscale.client() as client:
        record = MemoryRecord()

        def make(life):
            user.find_or_create(Mortal(client, life), "alice", ALICE, Mortal(record, life))

        for _ in lives(make, end):
            made = user.find_or_create(client, "alice", ALICE, record)
            assert client.list_users() == [made]
            user.delete(client, str(made.id), datetime.now(UTC), record)
            assert (client.list_users(), record.names) == ([], set())


@ENDS
def test_a_rename_or_a_deletion_that_ends_anywhere_is_done_by_the_next_run(headscale, end):
    with headscale.client() as client:
        record = MemoryRecord()
        made = user.find_or_create(client, "alice", ALICE, record)

        def rename(life):
            user.rename(Mortal(client, life), str(made.id), "alice", "alicia", Mortal(record, life))

        for _ in lives(rename, end):
            user.rename(client, str(made.id), "alice", "alicia", record)
            assert [(its.id, its.name) for its in client.list_users()] == [(made.id, "alicia")]
            assert record.names == {"alicia"}
            user.rename(client, str(made.id), "alicia", "alice", record)

        def delete(life):
            user.delete(Mortal(client, life), str(made.id), datetime.now(UTC), Mortal(record, life))

        for _ in lives(delete, end):
            user.delete(client, str(made.id), datetime.now(UTC), record)
            assert client.list_users() == []
            made = user.find_or_create(client, "alice", ALICE, record)


def test_a_user_that_somebody_else_made_is_taken_only_where_that_is_said(headscale):
    with headscale.client() as client:
        made = client.create_user("alice", display_name="Alice")

        with pytest.raises(UserError, match=r"exists already .id 1. and is not this stack's: write `adopt: true`"):
            user.find_or_create(client, "alice", Profile(), MemoryRecord())
        record = MemoryRecord()
        assert user.find_or_create(client, "alice", Profile(), record, adopt="true") == made
        assert record.names == {"alice"}
        with pytest.raises(UserError, match=r"displayName is `Alice` and not `Al`"):
            user.find_or_create(client, "alice", Profile("Al"), MemoryRecord(), adopt="true")
        with pytest.raises(UserError, match=r"no user with id 7 is called `alice`"):
            user.find_or_create(client, "alice", Profile(), MemoryRecord(), adopt="7")


def add_one_of_an_identity_provider(headscale, name):
    headscale.stop()
    with sqlite3.connect(headscale.directory / "db.sqlite") as database:
        database.execute(
            "insert into users (name, provider, provider_identifier, created_at, updated_at) "
            "values (?, 'oidc', ?, datetime(), datetime())",
            (name, f"https://id/{name}"),
        )
    database.close()
    headscale.start()


def test_a_name_that_several_bear_is_told_apart_by_the_id(headscale):
    """An identity provider's user may share the name of another one."""
    with headscale.client() as client:
        client.create_user("alice")
    add_one_of_an_identity_provider(headscale, "alice")
    with headscale.client() as client:
        with pytest.raises(UserError, match=r"more than one user is called `alice` .id 1, id 2 from the identity"):
            user.find_or_create(client, "alice", Profile(), MemoryRecord(), adopt="true")
        assert user.find_or_create(client, "alice", Profile(), MemoryRecord(), adopt="2").provider == "oidc"


def test_without_a_record_only_a_user_with_nothing_to_lose_is_taken(headscale):
    class NoRecord(MemoryRecord):
        def holds(self, name):
            return None

    with headscale.client() as client:
        made = client.create_user("alice")
        assert user.find_or_create(client, "alice", Profile(), NoRecord()) == made
        pre_auth_key.create(client, MemoryStore(), a_key(user_id=str(made.id)), datetime.now(UTC))
        with pytest.raises(UserError, match=r"adopt: true"):
            user.find_or_create(client, "alice", Profile(), NoRecord())


@ENDS
def test_a_change_of_profile_that_ends_anywhere_is_done_by_the_next_run_and_gives_another_id(headscale, end):
    with headscale.client() as client:
        record = MemoryRecord()
        users = [user.find_or_create(client, "alice", ALICE, record)]

        def replace(client, record):
            user.make_way(client, str(users[-1].id), datetime.now(UTC), record)
            return user.find_or_create(client, "alice", Profile(f"Alice {len(users)}"), record)

        for _ in lives(lambda life: replace(Mortal(client, life), Mortal(record, life)), end):
            made = replace(client, record)
            assert client.list_users() == [made]
            assert (made.display_name, made.id > users[-1].id) == (f"Alice {len(users)}", True)
            users.append(made)


def test_a_change_of_profile_never_costs_a_node_and_never_touches_an_identity_providers_user(headscale):
    if not headscale.speaks_grpc:
        pytest.skip("0.30 has no command that makes a node without a machine")
    with headscale.client() as client:
        record = MemoryRecord()
        made = user.find_or_create(client, "alice", ALICE, record)
        join(headscale, "alice", 1)

        with pytest.raises(UserError, match=r"cannot change the profile of a user.* has nodes: node-1 .id 1."):
            user.make_way(client, str(made.id), datetime.now(UTC), record)
        assert (client.list_users(), len(client.list_nodes())) == ([made], 1)
    add_one_of_an_identity_provider(headscale, "bob")
    with headscale.client() as client:
        (bob,) = client.list_users(name="bob")
        with pytest.raises(UserError, match=r"comes from the identity provider `oidc`, which alone sets its profile"):
            user.make_way(client, str(bob.id), datetime.now(UTC), record)


def join(headscale, name, number):
    """Make a node of a user by headscale's own commands for that."""
    key = f"{number:x}" * 24 if headscale.version == "0.28" else "hskey-authreq-" + f"{number:x}" * 24
    headscale.cli("debug", "create-node", "--name", f"node-{number}", "-u", name, "-k", key)
    if headscale.version == "0.28":
        headscale.cli("nodes", "register", "-u", name, "-k", key)
    else:
        headscale.cli("auth", "register", "-u", name, "--auth-id", key)


def test_a_user_with_nodes_is_kept_and_they_are_named_unless_they_may_go(headscale):
    if not headscale.speaks_grpc:
        pytest.skip("0.30 has no command that makes a node without a machine")
    with headscale.client() as client:
        record = MemoryRecord()
        made = user.find_or_create(client, "alice", ALICE, record)
        join(headscale, "alice", 1)

        with pytest.raises(UserError, match=r"still has nodes: node-1 .id 1."):
            user.delete(client, str(made.id), datetime.now(UTC), record)
        assert client.list_users() == [made]
        user.delete(client, str(made.id), datetime.now(UTC), record, delete_nodes=True)

        assert (client.list_users(), client.list_nodes()) == ([], [])


@ENDS
def test_keys_that_a_deletion_takes_with_it_are_made_anew_wherever_it_ends(headscale, end):
    """Headscale issue 3154: 0.28 deletes everybody's keys with any user."""
    with headscale.client() as client:
        record, store = MemoryRecord(), MemoryStore()
        alice = user.find_or_create(client, "alice", Profile(), record)
        wanted = a_key(user_id=str(alice.id), reusable=True, dress=Dress("TS_AUTHKEY", {"a": "b"}, {"c": "d"}))
        pre_auth_key.create(client, store, wanted, datetime.now(UTC))

        def delete(bob, client, store):
            def remake(deleted: User):
                pre_auth_key.remake_wiped(client, store, store.everywhere(), deleted, datetime.now(UTC))

            user.delete(client, str(bob.id), datetime.now(UTC), record, remake_keys=remake)

        def once(life):
            bob = user.find_or_create(client, "bob", Profile(), record)
            state.append(bob)
            delete(bob, Mortal(client, life), Mortal(store, life))

        state = []
        for _ in lives(once, end):
            delete(state[-1], client, store)
            (key,) = client.list_pre_auth_keys()
            stored = store.read("ns", "laptop")
            assert stored.data["TS_AUTHKEY"].startswith(key.key[:23])
            assert (stored.labels, stored.annotations["c"]) == ({"a": "b"}, "d")
            assert [its.name for its in client.list_users()] == ["alice"]


def test_a_key_that_nobody_could_make_anew_stops_the_deletion(headscale):
    if headscale.version != "0.28":
        return
    with headscale.client() as client:
        record, store = MemoryRecord(), MemoryStore()
        alice, bob = (user.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        pre_auth_key.create(client, MemoryStore(), a_key(user_id=str(alice.id)), datetime.now(UTC))

        def remake(deleted):
            pre_auth_key.remake_wiped(client, store, store.everywhere(), deleted, datetime.now(UTC))

        with pytest.raises(UserError, match=r"upgrade to 0\.29 first, or write `keysOnUserDeletion: remake`"):
            user.delete(client, str(bob.id), datetime.now(UTC), record)
        with pytest.raises(UserError, match=r"are in no Secret of this stack"):
            user.delete(client, str(bob.id), datetime.now(UTC), record, remake_keys=remake)
        assert len(client.list_pre_auth_keys()) == 1
