"""Preauth keys in their Secrets: no run that ends anywhere loses a usable key or leaks one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headscale_core.keys import api_key, pre_auth_key
from headscale_core.keys.annotations import SPEC
from headscale_core.keys.secrets import SecretNotOwned, SecretTemplate, StoredSecret
from headscale_core.users.lifecycle import UserError
from tests.builders import desired_api_key, desired_pre_auth_key
from tests.contract.helpers import delete_pre_auth_key, valid_prefixes
from tests.fakes.memory import MemoryStore
from tests.faults import NO_FAULTS, CallFailed, FaultInjector, ProcessKilled, for_each_fault_point

FAULTS = pytest.mark.parametrize("fault", [ProcessKilled, CallFailed])


def seen(client, store, issued, desired, now=None):
    keys = {str(key.id): key for key in client.list_pre_auth_keys()}
    return pre_auth_key.observe(keys, store.read("ns", "laptop"), desired, issued, now or datetime.now(UTC))


@FAULTS
def test_create_pre_auth_key_interrupted_anywhere_leaves_one(headscale, fault):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        faults = 0
        for _ in for_each_fault_point(
            lambda plan: pre_auth_key.create(
                FaultInjector(client, plan), FaultInjector(store, plan), desired_pre_auth_key(), datetime.now(UTC)
            ),
            fault,
        ):
            faults += 1
            issued = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))
            assert [str(key.id) for key in client.list_pre_auth_keys()] == [issued.key_id]
            assert store.read("ns", "laptop").data == {"key": issued.text}
            delete_pre_auth_key(client, store, issued)
            assert (client.list_pre_auth_keys(), store.secrets) == ([], {})
        assert faults >= 6


@FAULTS
def test_renewal_interrupted_anywhere_keeps_a_working_key(headscale, fault):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, desired_pre_auth_key(reusable=True), datetime.now(UTC))
        state = {old.key_id: old}

        def renew(plan):
            failing = FaultInjector(client, plan), FaultInjector(store, plan)
            desired = desired_pre_auth_key(reusable=True)
            made = pre_auth_key.create(*failing, desired, datetime.now(UTC), in_state=sorted(state))
            state[made.key_id] = made
            for key_id in sorted(state.keys() - {made.key_id}):
                delete_pre_auth_key(*failing, state[key_id])
                del state[key_id]

        for _ in for_each_fault_point(renew, fault):
            text = store.read("ns", "laptop").data["key"]
            listed = {key.key[:23]: key for key in client.list_pre_auth_keys()}
            assert text[:23] in listed, "the Secret holds a key that joins"
            renew(NO_FAULTS)
            (left,) = client.list_pre_auth_keys()
            assert store.read("ns", "laptop").data["key"].startswith(left.key[:23])


@FAULTS
def test_delete_pre_auth_key_interrupted_anywhere_is_finished(headscale, fault):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        issued = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))

        def delete(plan):
            delete_pre_auth_key(FaultInjector(client, plan), FaultInjector(store, plan), issued)

        for _ in for_each_fault_point(delete, fault):
            delete_pre_auth_key(client, store, issued)
            assert (client.list_pre_auth_keys(), store.secrets) == ([], {})
            issued = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))


def test_observed_key_status_tells_secret_and_end(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, template = MemoryStore(), SecretTemplate("TS_AUTHKEY", {"team": "ci"}, {"note": "x"})
        desired = desired_pre_auth_key(template=template)
        issued = pre_auth_key.create(client, store, desired, datetime.now(UTC))
        good = seen(client, store, issued, desired)
        kept = store.read("ns", "laptop")

        store.write("ns", "laptop", StoredSecret({"TS_AUTHKEY": "x"}, kept.annotations, kept.labels))
        edited = seen(client, store, issued, desired)
        store.write("ns", "laptop", StoredSecret(kept.data, kept.annotations))
        undressed = seen(client, store, issued, desired)
        store.delete("ns", "laptop")
        lost = seen(client, store, issued, desired)
        pre_auth_key.restore(store, desired, issued)
        restored = store.read("ns", "laptop")
        (key,) = client.list_pre_auth_keys()
        client.expire_pre_auth_key(key)
        ended = seen(client, store, issued, desired)
        client.delete_pre_auth_key(key.id)
        gone = seen(client, store, issued, desired)

        assert (good.invalid_reason, good.secret_in_sync) == (None, True)
        assert [look.secret_in_sync for look in (edited, undressed, lost)] == [False] * 3
        assert restored == kept
        assert (ended.invalid_reason, gone.invalid_reason) == ("expired manually", "deleted")
        assert seen(client, store, issued, desired, datetime.now(UTC) + timedelta(hours=2)).invalid_reason == "expired"


def test_replacement_is_stored_before_the_old_key_goes(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))
        new = pre_auth_key.create(
            client, store, desired_pre_auth_key(reusable=True), datetime.now(UTC), in_state=[old.key_id]
        )
        assert len(client.list_pre_auth_keys()) == 2

        delete_pre_auth_key(client, store, old)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


def test_replacement_is_never_the_replaced_key(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))

        new = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC), in_state=[old.key_id])

        assert new.key_id != old.key_id


def test_refused_pre_auth_key_leaves_no_secret(headscale):
    with headscale.client() as client:
        store = MemoryStore()

        with pytest.raises(UserError, match=r"no user with id 99; see `headscale users list`"):
            pre_auth_key.create(client, store, desired_pre_auth_key(user_id="99"), datetime.now(UTC))

        assert store.secrets == {}


def test_pre_auth_key_of_another_owner_takes_secret(headscale):
    """Pulumi makes the new one first, and deletes the old one afterwards."""
    with headscale.client() as client:
        client.create_user("alice")
        store, now = MemoryStore(), datetime.now(UTC)
        old = pre_auth_key.create(client, store, desired_pre_auth_key(owner="vpn-a"), now)

        new = pre_auth_key.create(client, store, desired_pre_auth_key(owner="vpn-b"), now)
        delete_pre_auth_key(client, store, old)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


def test_expired_pre_auth_key_is_not_reused(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, desired_pre_auth_key(), datetime.now(UTC))

        later = datetime.now(UTC) + timedelta(hours=2)
        assert pre_auth_key.create(client, store, desired_pre_auth_key(), later).key_id != old.key_id


def test_equal_lifetime_in_other_units_is_in_sync(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, now = MemoryStore(), datetime.now(UTC)
        issued = pre_auth_key.create(client, store, desired_pre_auth_key(expiration="24h"), now)
        stored = store.read("ns", "laptop")
        earlier = stored.annotations[SPEC].replace('"24h"', '"1d"')
        assert earlier != stored.annotations[SPEC]
        store.write("ns", "laptop", replace(stored, annotations={**stored.annotations, SPEC: earlier}))

        same, longer = (seen(client, store, issued, desired_pre_auth_key(expiration=text)) for text in ("1d", "25h"))

        assert (same.invalid_reason, same.secret_in_sync, longer.secret_in_sync) == (None, True, False)


class ForeignSecrets(MemoryStore):
    """Another tool has put its labels on our Secrets."""

    def read(self, namespace, name):
        raise SecretNotOwned(name)

    def delete(self, namespace, name):
        pass


def test_deletion_revokes_keys_and_keeps_foreign_secret(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, desired, now = MemoryStore(), desired_api_key(), datetime.now(UTC)
        issued = api_key.create(client, store, desired, now)
        joins = pre_auth_key.create(client, store, desired_pre_auth_key(), now)

        api_key.delete(client, ForeignSecrets(), desired, [issued.prefix])
        delete_pre_auth_key(client, ForeignSecrets(), joins)

        assert (valid_prefixes(client), client.list_pre_auth_keys()) == ([], [])
        assert len(store.secrets) == 2
