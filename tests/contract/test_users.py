"""Users are found, adopted, renamed and deleted, with the run ending at every step."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from headscale_core.keys import pre_auth_key
from headscale_core.users import lifecycle
from headscale_core.users.lifecycle import Profile, UserError
from tests.builders import desired_pre_auth_key
from tests.contract.helpers import user_ref
from tests.fakes.memory import MemoryStore, MemoryUserRegistry
from tests.faults import CallFailed, FaultInjector, ProcessKilled, for_each_fault_point

FAULTS = pytest.mark.parametrize("fault", [ProcessKilled, CallFailed])
ALICE = Profile("Alice", "alice@example.com")
ADA = "ada@example.com"


@FAULTS
def test_create_user_interrupted_anywhere_leaves_one(headscale, fault):
    with headscale.client() as client:
        record = MemoryUserRegistry()

        def make(plan):
            lifecycle.find_or_create(FaultInjector(client, plan), "alice", ALICE, FaultInjector(record, plan))

        for _ in for_each_fault_point(make, fault):
            made = lifecycle.find_or_create(client, "alice", ALICE, record)
            assert client.list_users() == [made]
            lifecycle.delete(client, user_ref(made), datetime.now(UTC), record)
            assert (client.list_users(), record.names) == ([], set())


@FAULTS
def test_rename_and_delete_interrupted_anywhere_are_finished(headscale, fault):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)

        def rename(plan):
            lifecycle.rename(FaultInjector(client, plan), user_ref(made), "alicia", FaultInjector(record, plan))

        for _ in for_each_fault_point(rename, fault):
            lifecycle.rename(client, user_ref(made), "alicia", record)
            assert [(value.id, value.name) for value in client.list_users()] == [(made.id, "alicia")]
            assert record.names == {"alicia"}
            lifecycle.rename(client, replace(user_ref(made), name="alicia"), "alice", record)

        def delete(plan):
            lifecycle.delete(
                FaultInjector(client, plan), user_ref(made), datetime.now(UTC), FaultInjector(record, plan)
            )

        for _ in for_each_fault_point(delete, fault):
            lifecycle.delete(client, user_ref(made), datetime.now(UTC), record)
            assert client.list_users() == []
            made = lifecycle.find_or_create(client, "alice", ALICE, record)


def test_foreign_user_is_adopted_on_request_only(headscale):
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


def test_adopting_an_unknown_id_creates_nobody(headscale):
    with headscale.client() as client:
        made, record = client.create_user("alice"), MemoryUserRegistry()

        with pytest.raises(UserError, match=r"no user with id 7 is there .* as `bob`; there is id 1 `alice`$"):
            lifecycle.find_or_create(client, "bob", Profile(), record, adopt="7")
        with pytest.raises(UserError, match="no user with id 7"):
            lifecycle.find_or_create(client, "alice", Profile(), record, adopt="7")

        assert (client.list_users(), record.names) == ([made], set())


@pytest.mark.parametrize(("name", "adopt"), [("ada", "1"), (ADA, "1"), (ADA, "true")])
def test_adopted_user_without_name_keeps_none(headscale, name, adopt):
    """Google tells no name: Headscale keeps such a user by e-mail address and provider id."""
    headscale.add_oidc_user("", email="Ada@example.com")
    with headscale.client() as client:
        (ada,), record = client.list_users(), MemoryUserRegistry()

        assert lifecycle.find_or_create(client, name, Profile(), record, adopt=adopt) == ada
        assert (client.list_users(), record.names) == ([ada], {name})
        assert lifecycle.declared_name(ada, name) == name
        state = replace(user_ref(ada), name=name)
        assert lifecycle.rename(client, state, "lovelace", record) == ada
        assert (client.list_users(), record.names) == ([ada], {"lovelace"})
        lifecycle.delete(client, replace(state, name="lovelace"), datetime.now(UTC), record)

        assert (client.list_users(), record.names) == ([], set())


def test_email_of_a_named_user_creates_nobody(headscale):
    """Both would be users of one token."""
    headscale.add_oidc_user("lovelace", email=ADA)
    with headscale.client() as client:
        with pytest.raises(UserError, match=r"address of a user with a name: id 1 `lovelace` from .* under that name"):
            lifecycle.find_or_create(client, ADA, Profile(), MemoryUserRegistry(), adopt="true")

        assert len(client.list_users()) == 1


def test_unknown_email_becomes_a_user(headscale):
    with headscale.client() as client:
        assert lifecycle.find_or_create(client, ADA, Profile(), MemoryUserRegistry(), adopt="true").name == ADA


def test_ambiguous_name_is_adopted_by_id(headscale):
    """An identity provider's user may share the name of another one."""
    with headscale.client() as client:
        client.create_user("alice")
    headscale.add_oidc_user("alice")
    with headscale.client() as client:
        with pytest.raises(UserError, match=r"more than one user is called `alice` .id 1, id 2 from the identity"):
            lifecycle.find_or_create(client, "alice", Profile(), MemoryUserRegistry(), adopt="true")
        assert lifecycle.find_or_create(client, "alice", Profile(), MemoryUserRegistry(), adopt="2").provider == "oidc"


def test_without_registry_only_a_bare_user_is_taken(headscale):
    class NoRecord(MemoryUserRegistry):
        def contains(self, name):
            return None

    with headscale.client() as client:
        made = client.create_user("alice")
        assert lifecycle.find_or_create(client, "alice", Profile(), NoRecord()) == made
        pre_auth_key.create(client, MemoryStore(), desired_pre_auth_key(user_id=str(made.id)), datetime.now(UTC))
        with pytest.raises(UserError, match=r"adopt: true"):
            lifecycle.find_or_create(client, "alice", Profile(), NoRecord())


@FAULTS
def test_profile_change_interrupted_anywhere_is_finished(headscale, fault):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        users = [lifecycle.find_or_create(client, "alice", ALICE, record)]

        def replace(client, record):
            lifecycle.delete_for_replacement(client, user_ref(users[-1]), "alice", datetime.now(UTC), record)
            return lifecycle.find_or_create(client, "alice", Profile(f"Alice {len(users)}"), record)

        for _ in for_each_fault_point(
            lambda plan: replace(FaultInjector(client, plan), FaultInjector(record, plan)), fault
        ):
            made = replace(client, record)
            assert client.list_users() == [made]
            assert (made.display_name, made.id > users[-1].id) == (f"Alice {len(users)}", True)
            users.append(made)


def test_profile_change_spares_nodes_and_oidc_users(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)
        headscale.join("alice", 1)

        with pytest.raises(UserError, match=r"cannot change the profile of a user.* has nodes: node-1 .id 1."):
            lifecycle.delete_for_replacement(client, user_ref(made), "alice", datetime.now(UTC), record)
        assert (client.list_users(), len(client.list_nodes())) == ([made], 1)
    headscale.add_oidc_user("bob")
    with headscale.client() as client:
        (bob,) = client.list_users(name="bob")
        local = lifecycle.find_or_create(client, "carol", Profile(), record)
        with pytest.raises(UserError, match=r"`bob` is also the name of id 2 from the identity provider `oidc`"):
            lifecycle.delete_for_replacement(client, user_ref(local), "bob", datetime.now(UTC), record)
        assert local in client.list_users()
        with pytest.raises(UserError, match=r"comes from the identity provider `oidc`, which alone sets its profile"):
            lifecycle.delete_for_replacement(client, user_ref(bob), "bob", datetime.now(UTC), record)


def test_user_with_nodes_is_deleted_by_force_only(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", ALICE, record)
        headscale.join("alice", 1)

        with pytest.raises(UserError, match=r"still has nodes: node-1 .id 1."):
            lifecycle.delete(client, user_ref(made), datetime.now(UTC), record)
        assert client.list_users() == [made]
        lifecycle.delete(client, user_ref(made), datetime.now(UTC), record, delete_nodes=True)

        assert (client.list_users(), client.list_nodes()) == ([], [])


def test_refused_rename_is_not_registered(headscale):
    with headscale.client() as client:
        record = MemoryUserRegistry()
        made = lifecycle.find_or_create(client, "alice", Profile(), record)
        client.create_user("bob")

        with pytest.raises(UserError, match="cannot be called `bob`"):
            lifecycle.rename(client, user_ref(made), "bob", record)

        assert record.names == {"alice"}
        with pytest.raises(UserError, match="adopt: true"):
            lifecycle.find_or_create(client, "bob", Profile(), record)
