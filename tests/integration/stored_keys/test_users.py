"""Users against a real Headscale: found, adopted, renamed, deleted, with the run ending at every step."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dynamic_providers.admin.read_write_lock import ReadWriteLock
from headscale_core.keys import pre_auth_key
from headscale_core.keys.pre_auth_key_secret import by_id
from headscale_core.keys.recovery import KeyRecovery
from headscale_core.keys.secrets import SecretTemplate
from headscale_core.users import lifecycle
from headscale_core.users.lifecycle import Profile, UserError
from tests.integration.conftest import running
from tests.integration.deaths import Failed, Killed, MemoryStore, MemoryUserRegistry, Mortal, lives

from .test_killed import a_key, deleted

ENDS = pytest.mark.parametrize("end", [Killed, Failed])
ALICE = Profile("Alice", "alice@example.com")


def known(made):
    return lifecycle.UserRef(str(made.id), made.name, made.created_at)


def wiped_keys(client, store):
    return KeyRecovery(client, store, store.list_in_all_namespaces, datetime.now(UTC))


@ENDS
def test_a_user_whose_making_ends_anywhere_is_one_user_after_the_next_run(headscale, end):
    with headscale.client() as client:
        record = MemoryUserRegistry()

        def make(life):
            lifecycle.find_or_create(Mortal(client, life), "alice", ALICE, Mortal(record, life))

        for _ in lives(make, end):
            made = lifecycle.find_or_create(client, "alice", ALICE, record)
            assert client.list_users() == [made]
            lifecycle.delete(client, known(made), datetime.now(UTC), record)
            assert (client.list_users(), record.names) == ([], set())


@ENDS
def test_a_rename_or_a_deletion_that_ends_anywhere_is_done_by_the_next_run(headscale, end):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)

        def rename(life):
            lifecycle.rename(Mortal(client, life), known(made), "alicia", Mortal(record, life))

        for _ in lives(rename, end):
            lifecycle.rename(client, known(made), "alicia", record)
            assert [(value.id, value.name) for value in client.list_users()] == [(made.id, "alicia")]
            assert record.names == {"alicia"}
            lifecycle.rename(client, replace(known(made), name="alicia"), "alice", record)

        def delete(life):
            lifecycle.delete(Mortal(client, life), known(made), datetime.now(UTC), Mortal(record, life))

        for _ in lives(delete, end):
            lifecycle.delete(client, known(made), datetime.now(UTC), record)
            assert client.list_users() == []
            made = lifecycle.find_or_create(client, "alice", ALICE, record)


def test_a_user_that_somebody_else_made_is_taken_only_where_that_is_said(headscale):
    with headscale.client() as client:
        made = client.create_user("alice", display_name="Alice")

        with pytest.raises(UserError, match=r"exists already .id 1. and is not this stack's: write `adopt: true`"):
            lifecycle.find_or_create(client, "alice", Profile(), MemoryUserRegistry())
        record = MemoryUserRegistry()
        assert lifecycle.find_or_create(client, "alice", Profile(), record, adopt="true") == made
        assert record.names == {"alice"}
        with pytest.raises(UserError, match=r"displayName is `Alice` and not `Al`"):
            lifecycle.find_or_create(client, "alice", Profile("Al"), MemoryUserRegistry(), adopt="true")
        with pytest.raises(UserError, match=r"the user with id 1 is called `alice` and not `bob`: .* there is nobody"):
            lifecycle.find_or_create(client, "bob", Profile(), MemoryUserRegistry(), adopt="1")


def test_adoption_of_an_id_that_nobody_has_makes_nobody(headscale):
    with headscale.client() as client:
        made, record = client.create_user("alice"), MemoryUserRegistry()

        with pytest.raises(UserError, match=r"no user with id 7 is there .* as `bob`; there is id 1 `alice`$"):
            lifecycle.find_or_create(client, "bob", Profile(), record, adopt="7")
        with pytest.raises(UserError, match="no user with id 7"):
            lifecycle.find_or_create(client, "alice", Profile(), record, adopt="7")

        assert (client.list_users(), record.names) == ([made], set())


ADA = "ada@example.com"


@pytest.mark.parametrize(("name", "adopt"), [("ada", "1"), (ADA, "1"), (ADA, "true")])
def test_user_without_a_name_is_adopted_and_keeps_none(headscale, name, adopt):
    """Google tells no name: Headscale keeps such a user by e-mail address and provider id."""
    add_one_of_an_identity_provider(headscale, "", email="Ada@example.com")
    with headscale.client() as client:
        (ada,), record = client.list_users(), MemoryUserRegistry()

        assert lifecycle.find_or_create(client, name, Profile(), record, adopt=adopt) == ada
        assert (client.list_users(), record.names) == ([ada], {name})
        assert lifecycle.declared_name(ada, name) == name
        state = replace(known(ada), name=name)
        assert lifecycle.rename(client, state, "lovelace", record) == ada
        assert (client.list_users(), record.names) == ([ada], {"lovelace"})
        lifecycle.delete(client, replace(state, name="lovelace"), datetime.now(UTC), record)

        assert (client.list_users(), record.names) == ([], set())


def test_address_of_a_user_with_another_name_makes_no_second_one(headscale):
    """Both would be users of one token."""
    add_one_of_an_identity_provider(headscale, "lovelace", email=ADA)
    with headscale.client() as client:
        with pytest.raises(UserError, match=r"address of a user with a name: id 1 `lovelace` from .* under that name"):
            lifecycle.find_or_create(client, ADA, Profile(), MemoryUserRegistry(), adopt="true")

        assert len(client.list_users()) == 1


def test_address_that_nobody_has_is_made_a_user(headscale):
    with headscale.client() as client:
        assert lifecycle.find_or_create(client, ADA, Profile(), MemoryUserRegistry(), adopt="true").name == ADA


def add_one_of_an_identity_provider(headscale, name, email=""):
    headscale.stop()
    with sqlite3.connect(headscale.directory / "db.sqlite") as database:
        database.execute(
            "insert into users (name, email, provider, provider_identifier, created_at, updated_at) "
            "values (?, ?, 'oidc', ?, datetime(), datetime())",
            (name, email, f"https://id/{name}"),
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
            lifecycle.find_or_create(client, "alice", Profile(), MemoryUserRegistry(), adopt="true")
        assert lifecycle.find_or_create(client, "alice", Profile(), MemoryUserRegistry(), adopt="2").provider == "oidc"


def test_without_a_record_only_a_user_with_nothing_to_lose_is_taken(headscale):
    class NoRecord(MemoryUserRegistry):
        def holds(self, name):
            return None

    with headscale.client() as client:
        made = client.create_user("alice")
        assert lifecycle.find_or_create(client, "alice", Profile(), NoRecord()) == made
        pre_auth_key.create(client, MemoryStore(), a_key(user_id=str(made.id)), datetime.now(UTC))
        with pytest.raises(UserError, match=r"adopt: true"):
            lifecycle.find_or_create(client, "alice", Profile(), NoRecord())


@ENDS
def test_a_change_of_profile_that_ends_anywhere_is_done_by_the_next_run_and_gives_another_id(headscale, end):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        users = [lifecycle.find_or_create(client, "alice", ALICE, record)]

        def replace(client, record):
            lifecycle.delete_for_replacement(client, known(users[-1]), "alice", datetime.now(UTC), record)
            return lifecycle.find_or_create(client, "alice", Profile(f"Alice {len(users)}"), record)

        for _ in lives(lambda life: replace(Mortal(client, life), Mortal(record, life)), end):
            made = replace(client, record)
            assert client.list_users() == [made]
            assert (made.display_name, made.id > users[-1].id) == (f"Alice {len(users)}", True)
            users.append(made)


def test_a_change_of_profile_never_costs_a_node_and_never_touches_an_identity_providers_user(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)
        join(headscale, "alice", 1)

        with pytest.raises(UserError, match=r"cannot change the profile of a user.* has nodes: node-1 .id 1."):
            lifecycle.delete_for_replacement(client, known(made), "alice", datetime.now(UTC), record)
        assert (client.list_users(), len(client.list_nodes())) == ([made], 1)
    add_one_of_an_identity_provider(headscale, "bob")
    with headscale.client() as client:
        (bob,) = client.list_users(name="bob")
        local = lifecycle.find_or_create(client, "carol", Profile(), record)
        with pytest.raises(UserError, match=r"`bob` is also the name of id 2 from the identity provider `oidc`"):
            lifecycle.delete_for_replacement(client, known(local), "bob", datetime.now(UTC), record)
        assert local in client.list_users()
        with pytest.raises(UserError, match=r"comes from the identity provider `oidc`, which alone sets its profile"):
            lifecycle.delete_for_replacement(client, known(bob), "bob", datetime.now(UTC), record)


def join(headscale, name, number):
    """Make a node of a user by headscale's own commands for that."""
    if not headscale.speaks_grpc:
        pytest.skip("0.30 has no command that makes a node without a machine")
    key = f"{number:x}" * 24 if headscale.version == "0.28" else "hskey-authreq-" + f"{number:x}" * 24
    headscale.cli("debug", "create-node", "--name", f"node-{number}", "-u", name, "-k", key)
    if headscale.version == "0.28":
        headscale.cli("nodes", "register", "-u", name, "-k", key)
    else:
        headscale.cli("auth", "register", "-u", name, "--auth-id", key)


def test_a_user_with_nodes_is_kept_and_they_are_named_unless_they_may_go(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)
        join(headscale, "alice", 1)

        with pytest.raises(UserError, match=r"still has nodes: node-1 .id 1."):
            lifecycle.delete(client, known(made), datetime.now(UTC), record)
        assert client.list_users() == [made]
        lifecycle.delete(client, known(made), datetime.now(UTC), record, delete_nodes=True)

        assert (client.list_users(), client.list_nodes()) == ([], [])


@ENDS
def test_keys_that_a_deletion_takes_with_it_are_made_anew_wherever_it_ends(headscale, end):
    """Headscale issue 3154: 0.28 deletes everybody's keys with any user."""
    with headscale.client() as client:
        record, store = MemoryUserRegistry(), MemoryStore()
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        desired = a_key(
            user_id=str(alice.id), reusable=True, template=SecretTemplate("TS_AUTHKEY", {"a": "b"}, {"c": "d"})
        )
        pre_auth_key.create(client, store, desired, datetime.now(UTC))

        def delete(bob, client, store):
            lifecycle.delete(client, known(bob), datetime.now(UTC), record, recovery=wiped_keys(client, store))

        def once(life):
            bob = lifecycle.find_or_create(client, "bob", Profile(), record)
            state.append(bob)
            delete(bob, Mortal(client, life), Mortal(store, life))

        state = []
        for _ in lives(once, end):
            delete(state[-1], client, store)
            (key,) = client.list_pre_auth_keys()
            stored = store.read("ns", "laptop")
            assert stored.data["TS_AUTHKEY"].startswith(key.key[:23])
            assert (stored.labels, stored.annotations["c"]) == ({"a": "b"}, "d")
            assert [value.name for value in client.list_users()] == ["alice"]


def test_a_key_that_nobody_could_make_anew_stops_the_deletion(headscale):
    if headscale.version != "0.28":
        return
    with headscale.client() as client:
        record, store = MemoryUserRegistry(), MemoryStore()
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        pre_auth_key.create(client, MemoryStore(), a_key(user_id=str(alice.id)), datetime.now(UTC))

        with pytest.raises(UserError, match=r"upgrade to 0\.29 first, or write `keysOnUserDeletion: remake`"):
            lifecycle.delete(client, known(bob), datetime.now(UTC), record)
        with pytest.raises(UserError, match=r"are in no Secret of this stack"):
            lifecycle.delete(client, known(bob), datetime.now(UTC), record, recovery=wiped_keys(client, store))
        assert len(client.list_pre_auth_keys()) == 1


def by_28(headscale):
    """Return whether a deletion takes everybody's keys here; other versions have nothing to show then."""
    return headscale.version == "0.28"


def test_a_key_that_was_made_anew_is_known_by_the_one_in_whose_place_it_is(headscale):
    """The state knows the old one until the next refresh."""
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob, carol = (
            lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob", "carol")
        )
        desired = a_key(user_id=str(alice.id), reusable=True)
        state = pre_auth_key.create(client, store, desired, now)
        for gone in (bob, carol):
            lifecycle.delete(client, known(gone), now, record, recovery=wiped_keys(client, store))

        with_template = replace(desired, template=SecretTemplate("TS_AUTHKEY", {"a": "b"}))
        in_force = pre_auth_key.restore(store, with_template, state)
        (listed,) = client.list_pre_auth_keys()
        assert in_force.text.startswith(listed.key[:23])
        assert store.read("ns", "laptop").data == {"TS_AUTHKEY": in_force.text}
        assert (in_force.key_id != state.key_id) is by_28(headscale)
        deleted(client, store, state)

        assert (client.list_pre_auth_keys(), store.secrets) == ([], {})


def test_a_key_that_was_made_anew_is_replaced_like_any_other(headscale):
    """Before the next refresh, by the state that knows the old one."""
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        desired = a_key(user_id=str(alice.id), reusable=True)
        state = pre_auth_key.create(client, store, desired, now)
        lifecycle.delete(client, known(bob), now, record, recovery=wiped_keys(client, store))

        new = pre_auth_key.create(client, store, desired, now, in_state=[state.key_id])
        deleted(client, store, state)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


def test_a_secret_from_before_there_was_a_mark_for_its_data_key_is_known(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        desired = a_key(user_id=str(alice.id), template=SecretTemplate("TS_AUTHKEY"))
        pre_auth_key.create(client, store, desired, now)
        stored = store.read("ns", "laptop")
        older = {mark: text for mark, text in stored.annotations.items() if not mark.endswith("/data-key")}
        assert older != stored.annotations
        store.write("ns", "laptop", replace(stored, annotations=older))

        lifecycle.delete(client, known(bob), now, record, recovery=wiped_keys(client, store))

        (key,) = client.list_pre_auth_keys()
        assert store.read("ns", "laptop").data["TS_AUTHKEY"].startswith(key.key[:23])


def test_a_key_that_is_over_does_not_come_back_with_those_that_a_deletion_took(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        over = pre_auth_key.create(client, store, a_key(user_id=str(alice.id)), now)
        good = pre_auth_key.create(client, store, a_key(user_id=str(alice.id), secret_name="good"), now)
        client.expire_pre_auth_key(next(key for key in client.list_pre_auth_keys() if str(key.id) == over.key_id))

        lifecycle.delete(client, known(bob), now, record, recovery=wiped_keys(client, store))

        usable = [key for key in client.list_pre_auth_keys() if lifecycle.is_usable(key, datetime.now(UTC))]
        assert len(usable) == 1
        assert usable[0].expiration - good.expires_at < timedelta(seconds=2)


def test_a_key_of_a_user_who_is_gone_does_not_keep_the_others_from_coming_back(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        names = ("alice", "bob", "carol")
        alice, bob, carol = (lifecycle.find_or_create(client, name, Profile(), record) for name in names)
        pre_auth_key.create(client, store, a_key(user_id=str(alice.id), secret_name="a"), now)
        pre_auth_key.create(client, store, a_key(user_id=str(carol.id), secret_name="z"), now)
        client.delete_user(alice.id)

        lifecycle.delete(client, known(bob), now, record, recovery=wiped_keys(client, store))

        assert [key.user.name for key in client.list_pre_auth_keys()] == ["carol"]


def test_keys_that_are_made_while_users_go_are_good_at_the_end(headscale):
    """Four threads of a provider do both at once; on 0.28 one would take what the other makes."""
    with headscale.client() as client:
        record, lock, now = MemoryUserRegistry(), ReadWriteLock(), datetime.now(UTC)
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        gone = [lifecycle.find_or_create(client, f"user-{number}", Profile(), record) for number in range(6)]
        store = MemoryStore()

        def make(number):
            with lock.together():
                pre_auth_key.create(client, store, a_key(user_id=str(alice.id), secret_name=f"key-{number}"), now)

        def delete(one):
            with lock.alone():
                lifecycle.delete(client, known(one), now, record, recovery=wiped_keys(client, store))

        with ThreadPoolExecutor(4) as threads:
            made = [threads.submit(make, number) for number in range(6)]
            went = [threads.submit(delete, one) for one in gone]
        for done in (*made, *went):
            done.result()

        listed = {key.key[:23] for key in client.list_pre_auth_keys()}
        assert {stored.data["key"][:23] for _, _, stored in store.list_in_all_namespaces()} == listed
        assert len(listed) == 6


@pytest.fixture
def after_the_database_was_lost(headscale, tmp_path_factory):
    """What was known of a database that is lost, and its successor, in which ids begin anew."""
    store, record, now = MemoryStore(), MemoryUserRegistry(), datetime.now(UTC)
    with headscale.client() as client:
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        state = pre_auth_key.create(client, store, a_key(user_id=str(alice.id)), now)
    with running(headscale.version, tmp_path_factory.mktemp("new"), headscale.transport) as successor:
        yield successor, store, record, alice, state


def test_in_a_new_database_the_key_that_is_made_is_not_taken_for_the_one_that_was_lost(after_the_database_was_lost):
    successor, store, _, _, state = after_the_database_was_lost
    with successor.client() as client:
        client.create_user("alice")
        look = pre_auth_key.observe({}, store.read("ns", "laptop"), a_key(), state, datetime.now(UTC))
        made = pre_auth_key.create(client, store, a_key(), datetime.now(UTC), in_state=[state.key_id])
        assert (look.ended, made.key_id) == ("deleted", state.key_id)

        deleted(client, store, state)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [made.key_id]
        assert store.read("ns", "laptop").data == {"key": made.text}


def test_in_a_new_database_a_strangers_key_and_user_of_the_same_id_are_left_alone(after_the_database_was_lost):
    successor, store, record, alice, state = after_the_database_was_lost
    with successor.client() as client:
        stranger = client.create_user("stranger")
        key = client.create_pre_auth_key(user_id=stranger.id, expiration=datetime.now(UTC) + timedelta(hours=1))
        keys = by_id(client.list_pre_auth_keys())
        assert (stranger.id, str(key.id)) == (alice.id, state.key_id)

        assert pre_auth_key.observe(keys, None, a_key(), state, datetime.now(UTC)).ended == "deleted"
        deleted(client, store, state)
        with pytest.raises(UserError, match="is gone"):
            lifecycle.rename(client, known(alice), "alicia", record)
        lifecycle.delete_for_replacement(client, known(alice), "alice", datetime.now(UTC), record)
        lifecycle.delete(client, known(alice), datetime.now(UTC), record)

        assert (len(client.list_pre_auth_keys()), client.list_users()) == (1, [stranger])
        assert record.names == set()


def test_a_name_that_could_not_be_taken_is_not_noted_as_ours(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", Profile(), record)
        client.create_user("bob")

        with pytest.raises(UserError, match="cannot be called `bob`"):
            lifecycle.rename(client, known(made), "bob", record)

        assert record.names == {"alice"}
        with pytest.raises(UserError, match="adopt: true"):
            lifecycle.find_or_create(client, "bob", Profile(), record)
