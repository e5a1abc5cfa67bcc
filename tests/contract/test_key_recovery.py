"""Headscale 0.28 deletes everybody's preauth keys with any user (its issue 3154): ours come back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dynamic_providers.admin.read_write_lock import ReadWriteLock
from headscale_core.keys import pre_auth_key
from headscale_core.keys.recovery import KeyRecovery
from headscale_core.keys.secrets import SecretTemplate
from headscale_core.users import lifecycle
from headscale_core.users.lifecycle import Profile, UserError
from tests.builders import desired_pre_auth_key
from tests.contract.helpers import delete_pre_auth_key, user_ref
from tests.fakes.memory import MemoryStore, MemoryUserRegistry
from tests.faults import CallFailed, FaultInjector, ProcessKilled, for_each_fault_point

FAULTS = pytest.mark.parametrize("fault", [ProcessKilled, CallFailed])


def wiped_keys(client, store):
    return KeyRecovery(client, store, store.list_in_all_namespaces, datetime.now(UTC))


def by_28(headscale):
    """Return whether a deletion takes everybody's keys here; other versions have nothing to show then."""
    return headscale.version == "0.28"


@FAULTS
def test_wiped_keys_come_back_after_any_interruption(headscale, fault):
    """Headscale issue 3154: 0.28 deletes everybody's keys with any user."""
    with headscale.client() as client:
        record, store = MemoryUserRegistry(), MemoryStore()
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        desired = desired_pre_auth_key(
            user_id=str(alice.id), reusable=True, template=SecretTemplate("TS_AUTHKEY", {"a": "b"}, {"c": "d"})
        )
        pre_auth_key.create(client, store, desired, datetime.now(UTC))

        def delete(bob, client, store):
            lifecycle.delete(client, user_ref(bob), datetime.now(UTC), record, recovery=wiped_keys(client, store))

        def once(plan):
            bob = lifecycle.find_or_create(client, "bob", Profile(), record)
            state.append(bob)
            delete(bob, FaultInjector(client, plan), FaultInjector(store, plan))

        state = []
        for _ in for_each_fault_point(once, fault):
            delete(state[-1], client, store)
            (key,) = client.list_pre_auth_keys()
            stored = store.read("ns", "laptop")
            assert stored.data["TS_AUTHKEY"].startswith(key.key[:23])
            assert (stored.labels, stored.annotations["c"]) == ({"a": "b"}, "d")
            assert [value.name for value in client.list_users()] == ["alice"]


def test_unrecoverable_key_stops_user_deletion(headscale):
    if headscale.version != "0.28":
        return
    with headscale.client() as client:
        record, store = MemoryUserRegistry(), MemoryStore()
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        pre_auth_key.create(client, MemoryStore(), desired_pre_auth_key(user_id=str(alice.id)), datetime.now(UTC))

        with pytest.raises(UserError, match=r"upgrade to 0\.29 first, or write `keysOnUserDeletion: recreate`"):
            lifecycle.delete(client, user_ref(bob), datetime.now(UTC), record)
        with pytest.raises(UserError, match=r"are in no Secret of this stack"):
            lifecycle.delete(client, user_ref(bob), datetime.now(UTC), record, recovery=wiped_keys(client, store))
        assert len(client.list_pre_auth_keys()) == 1


def test_recreated_key_is_known_by_its_predecessor(headscale):
    """The state knows the old one until the next refresh."""
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob, carol = (
            lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob", "carol")
        )
        desired = desired_pre_auth_key(user_id=str(alice.id), reusable=True)
        state = pre_auth_key.create(client, store, desired, now)
        for gone in (bob, carol):
            lifecycle.delete(client, user_ref(gone), now, record, recovery=wiped_keys(client, store))

        with_template = replace(desired, template=SecretTemplate("TS_AUTHKEY", {"a": "b"}))
        in_force = pre_auth_key.restore(store, with_template, state)
        (listed,) = client.list_pre_auth_keys()
        assert in_force.text.startswith(listed.key[:23])
        assert store.read("ns", "laptop").data == {"TS_AUTHKEY": in_force.text}
        assert (in_force.key_id != state.key_id) is by_28(headscale)
        delete_pre_auth_key(client, store, state)

        assert (client.list_pre_auth_keys(), store.secrets) == ([], {})


def test_recreated_key_is_replaced_like_any_other(headscale):
    """Before the next refresh, by the state that knows the old one."""
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        desired = desired_pre_auth_key(user_id=str(alice.id), reusable=True)
        state = pre_auth_key.create(client, store, desired, now)
        lifecycle.delete(client, user_ref(bob), now, record, recovery=wiped_keys(client, store))

        new = pre_auth_key.create(client, store, desired, now, in_state=[state.key_id])
        delete_pre_auth_key(client, store, state)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


def test_secret_without_data_key_annotation_is_recovered(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        desired = desired_pre_auth_key(user_id=str(alice.id), template=SecretTemplate("TS_AUTHKEY"))
        pre_auth_key.create(client, store, desired, now)
        stored = store.read("ns", "laptop")
        older = {mark: text for mark, text in stored.annotations.items() if not mark.endswith("/data-key")}
        assert older != stored.annotations
        store.write("ns", "laptop", replace(stored, annotations=older))

        lifecycle.delete(client, user_ref(bob), now, record, recovery=wiped_keys(client, store))

        (key,) = client.list_pre_auth_keys()
        assert store.read("ns", "laptop").data["TS_AUTHKEY"].startswith(key.key[:23])


def test_expired_key_does_not_come_back(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        alice, bob = (lifecycle.find_or_create(client, name, Profile(), record) for name in ("alice", "bob"))
        over = pre_auth_key.create(client, store, desired_pre_auth_key(user_id=str(alice.id)), now)
        good = pre_auth_key.create(client, store, desired_pre_auth_key(user_id=str(alice.id), secret_name="good"), now)
        client.expire_pre_auth_key(next(key for key in client.list_pre_auth_keys() if str(key.id) == over.key_id))

        lifecycle.delete(client, user_ref(bob), now, record, recovery=wiped_keys(client, store))

        usable = [key for key in client.list_pre_auth_keys() if lifecycle.is_usable(key, datetime.now(UTC))]
        assert len(usable) == 1
        assert usable[0].expiration - good.expires_at < timedelta(seconds=2)


def test_key_without_user_does_not_stop_recovery(headscale):
    with headscale.client() as client:
        record, store, now = MemoryUserRegistry(), MemoryStore(), datetime.now(UTC)
        names = ("alice", "bob", "carol")
        alice, bob, carol = (lifecycle.find_or_create(client, name, Profile(), record) for name in names)
        pre_auth_key.create(client, store, desired_pre_auth_key(user_id=str(alice.id), secret_name="a"), now)
        pre_auth_key.create(client, store, desired_pre_auth_key(user_id=str(carol.id), secret_name="z"), now)
        client.delete_user(alice.id)

        lifecycle.delete(client, user_ref(bob), now, record, recovery=wiped_keys(client, store))

        assert [key.user.name for key in client.list_pre_auth_keys()] == ["carol"]


def test_keys_created_during_user_deletions_survive(headscale):
    """Four threads of a provider do both at once; on 0.28 one would take what the other makes."""
    with headscale.client() as client:
        record, lock, now = MemoryUserRegistry(), ReadWriteLock(), datetime.now(UTC)
        alice = lifecycle.find_or_create(client, "alice", Profile(), record)
        gone = [lifecycle.find_or_create(client, f"user-{number}", Profile(), record) for number in range(6)]
        store = MemoryStore()

        def make(number):
            with lock.shared():
                pre_auth_key.create(
                    client, store, desired_pre_auth_key(user_id=str(alice.id), secret_name=f"key-{number}"), now
                )

        def delete(one):
            with lock.exclusive():
                lifecycle.delete(client, user_ref(one), now, record, recovery=wiped_keys(client, store))

        with ThreadPoolExecutor(4) as threads:
            made = [threads.submit(make, number) for number in range(6)]
            went = [threads.submit(delete, one) for one in gone]
        for done in (*made, *went):
            done.result()

        listed = {key.key[:23] for key in client.list_pre_auth_keys()}
        assert {stored.data["key"][:23] for _, _, stored in store.list_in_all_namespaces()} == listed
        assert len(listed) == 6
