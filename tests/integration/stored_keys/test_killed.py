"""Keys against a real Headscale, with the process killed at every step: nothing is lost, nothing leaks."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headscale_core.keys import api_key, pre_auth_key
from headscale_core.keys.annotations import SPEC
from headscale_core.keys.api_key_secret import DesiredApiKey
from headscale_core.keys.pre_auth_key_secret import DesiredPreAuthKey, by_id
from headscale_core.keys.secrets import SecretNotOwned, SecretTemplate, StoredSecret
from headscale_core.users.lifecycle import UserError
from tests.integration.deaths import Failed, Killed, MemoryStore, Mortal, lives

ENDS = pytest.mark.parametrize("end", [Killed, Failed])


WANTED = DesiredApiKey("ns", "key", timedelta(hours=1), timedelta(minutes=10))
OVERLAPPING = replace(WANTED, overlap=timedelta(minutes=5))


def usable(client):
    return [key.prefix for key in client.list_api_keys() if key.expiration > datetime.now(UTC)]


@ENDS
def test_an_api_key_whose_making_ends_anywhere_is_one_key_after_the_next_run(headscale, end):
    with headscale.client() as client:
        store = MemoryStore()
        died = 0
        for _ in lives(
            lambda life: api_key.create(Mortal(client, life), Mortal(store, life), WANTED, datetime.now(UTC)), end
        ):
            died += 1
            issued = api_key.create(client, store, WANTED, datetime.now(UTC))
            assert usable(client) == [issued.prefix]
            api_key.delete(client, store, WANTED, [issued.prefix])
            assert (usable(client), store.secrets) == ([], {})
        assert died >= 6


@ENDS
@pytest.mark.parametrize("desired", [WANTED, OVERLAPPING], ids=["at once", "with overlap"])
def test_a_rotation_that_ends_anywhere_leaves_one_key_and_the_secret_never_holds_a_dead_one(headscale, end, desired):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, WANTED, datetime.now(UTC))
        died = 0

        def rotate(life):
            api_key.rotate(Mortal(client, life), Mortal(store, life), desired, datetime.now(UTC))

        for _ in lives(rotate, end):
            died += 1
            assert headscale.opens(store.read("ns", "key").data["api-key"])
            api_key.finalize(client, store, desired, datetime.now(UTC))
            assert headscale.opens(store.read("ns", "key").data["api-key"])
            api_key.finalize(client, store, desired, datetime.now(UTC) + timedelta(minutes=6))
            (prefix,) = usable(client)
            assert prefix == api_key.current(client, store.read("ns", "key")).prefix
        assert died >= 6


@ENDS
def test_a_deletion_that_ends_anywhere_is_done_by_the_next_run(headscale, end):
    with headscale.client() as client:
        store = MemoryStore()

        def made():
            issued = api_key.create(client, store, OVERLAPPING, datetime.now(UTC))
            return api_key.rotate(client, store, OVERLAPPING, datetime.now(UTC), old=[issued.prefix])

        issued = made()

        def delete(life):
            api_key.delete(Mortal(client, life), Mortal(store, life), OVERLAPPING, [issued.prefix])

        for _ in lives(delete, end):
            api_key.delete(client, store, WANTED, [issued.prefix])
            assert (usable(client), store.secrets) == ([], {})
            issued = made()


def test_a_rotation_that_was_killed_and_never_repeated_is_cleaned_up_by_the_deletion(headscale):
    """The state knows the first key alone; Secret and second key are found by whose they are."""
    mine = replace(OVERLAPPING, owner="vpn-ui")
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, mine, datetime.now(UTC))
        api_key.rotate(client, store, mine, datetime.now(UTC))
        assert len(usable(client)) == 2

        api_key.delete(client, store, mine, [issued.prefix])

        assert (usable(client), store.secrets) == ([], {})


def test_a_secret_that_vanishes_within_the_overlap_takes_all_its_keys_with_it(headscale):
    with headscale.client() as client:
        store, now = MemoryStore(), datetime.now(UTC)
        first = api_key.create(client, store, OVERLAPPING, now)
        second = api_key.rotate(client, store, OVERLAPPING, now)
        store.secrets.clear()

        third = api_key.rotate(client, store, OVERLAPPING, now, old=[second.prefix, *second.superseded])
        api_key.finalize(client, store, OVERLAPPING, now + timedelta(minutes=6))

        assert first.prefix in second.superseded
        assert usable(client) == [third.prefix]


class Relabelled(MemoryStore):
    """Another tool has put its labels on our Secrets."""

    def read(self, namespace, name):
        raise SecretNotOwned(name)

    def delete(self, namespace, name):
        pass


def test_keys_go_and_a_secret_that_somebody_else_took_over_stays(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, now = MemoryStore(), datetime.now(UTC)
        issued = api_key.create(client, store, WANTED, now)
        joins = pre_auth_key.create(client, store, a_key(), now)

        api_key.delete(client, Relabelled(), WANTED, [issued.prefix])
        deleted(client, Relabelled(), joins)

        assert (usable(client), client.list_pre_auth_keys()) == ([], [])
        assert len(store.secrets) == 2


def test_twenty_rotations_never_fail_a_consumer_that_polls_with_the_key_of_the_secret(headscale):
    """It reads the Secret and calls a moment later, when that key may have been replaced."""
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, OVERLAPPING, datetime.now(UTC))
        over, calls, failed = threading.Event(), [], []

        def consume():
            while not over.is_set():
                key = store.read("ns", "key").data["api-key"]
                time.sleep(0.02)
                (calls if headscale.opens(key) else failed).append(1)

        consumer = threading.Thread(target=consume)
        consumer.start()
        try:
            for _ in range(20):
                api_key.rotate(client, store, OVERLAPPING, datetime.now(UTC))
        finally:
            over.set()
            consumer.join()
        api_key.finalize(client, store, OVERLAPPING, datetime.now(UTC) + timedelta(minutes=6))

        assert (len(calls) > 5, failed, len(client.list_api_keys())) == (True, [], 1)


def test_a_secret_changes_its_looks_and_keeps_its_key(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, WANTED, datetime.now(UTC))
        with_template = replace(WANTED, template=SecretTemplate("TOKEN", {"team": "ui"}, {"note": "x"}))

        api_key.update_secret(store, with_template, "api-key")

        secret = store.read("ns", "key")
        assert api_key.current(client, secret, "TOKEN").prefix == issued.prefix
        assert (secret.labels, secret.annotations["note"], "api-key" in secret.data) == ({"team": "ui"}, "x", False)


def test_a_key_that_a_new_volume_does_not_know_is_not_taken_for_a_working_one(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, WANTED, datetime.now(UTC))
        client.delete_api_key(issued.prefix)

        assert api_key.current(client, store.read("ns", "key")) is None
        assert api_key.create(client, store, WANTED, datetime.now(UTC)).prefix != issued.prefix


def test_an_edited_secret_is_noticed(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, WANTED, datetime.now(UTC))
        stored = store.read("ns", "key")
        edited = StoredSecret({**stored.data, "api-key": stored.data["api-key"].swapcase()}, stored.annotations)

        assert api_key.current(client, edited) is None


def a_key(**changes):
    declared = {
        "namespace": "ns",
        "secret_name": "laptop",
        "user_id": "1",
        "expiration": timedelta(hours=1),
        "reusable": False,
        "ephemeral": False,
        "tags": (),
    }
    return DesiredPreAuthKey(**{**declared, **changes})


def deleted(client, store, issued):
    keys = by_id(client.list_pre_auth_keys())
    pre_auth_key.delete(client, store, issued, keys, ("ns", "laptop"))


@ENDS
def test_a_preauth_key_whose_making_ends_anywhere_is_one_key_after_the_next_run(headscale, end):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        died = 0
        for _ in lives(
            lambda life: pre_auth_key.create(Mortal(client, life), Mortal(store, life), a_key(), datetime.now(UTC)), end
        ):
            died += 1
            issued = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))
            assert [str(key.id) for key in client.list_pre_auth_keys()] == [issued.key_id]
            assert store.read("ns", "laptop").data == {"key": issued.text}
            deleted(client, store, issued)
            assert (client.list_pre_auth_keys(), store.secrets) == ([], {})
        assert died >= 6


@ENDS
def test_a_renewal_that_ends_anywhere_leaves_a_good_key_in_the_secret_and_one_key_after_the_next_run(headscale, end):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(reusable=True), datetime.now(UTC))
        state = {old.key_id: old}

        def renew(life):
            mortal = Mortal(client, life)
            made = pre_auth_key.create(
                mortal, Mortal(store, life), a_key(reusable=True), datetime.now(UTC), issued=sorted(state)
            )
            state[made.key_id] = made
            for key_id in sorted(state.keys() - {made.key_id}):
                deleted(mortal, Mortal(store, life), state[key_id])
                del state[key_id]

        class Forever:
            is_over = False

            def step(self):
                pass

        for _ in lives(renew, end):
            text = store.read("ns", "laptop").data["key"]
            listed = {key.key[:23]: key for key in client.list_pre_auth_keys()}
            assert text[:23] in listed, "the Secret holds a key that joins"
            renew(Forever())
            (left,) = client.list_pre_auth_keys()
            assert store.read("ns", "laptop").data["key"].startswith(left.key[:23])


@ENDS
def test_a_preauth_keys_deletion_that_ends_anywhere_is_done_by_the_next_run(headscale, end):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        issued = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))

        def delete(life):
            deleted(Mortal(client, life), Mortal(store, life), issued)

        for _ in lives(delete, end):
            deleted(client, store, issued)
            assert (client.list_pre_auth_keys(), store.secrets) == ([], {})
            issued = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))


def seen(client, store, issued, desired, now=None):
    keys = {str(key.id): key for key in client.list_pre_auth_keys()}
    return pre_auth_key.observe(keys, store.read("ns", "laptop"), desired, issued, now or datetime.now(UTC))


def test_a_look_tells_what_became_of_a_key(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, desired = MemoryStore(), a_key(template=SecretTemplate("TS_AUTHKEY", {"team": "ci"}, {"note": "x"}))
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

        assert (good.ended, good.secret_in_sync) == (None, True)
        assert [look.secret_in_sync for look in (edited, undressed, lost)] == [False] * 3
        assert restored == kept
        assert (ended.ended, gone.ended) == ("ended by hand", "deleted")
        assert seen(client, store, issued, desired, datetime.now(UTC) + timedelta(hours=2)).ended == "expired"


def test_a_replacement_is_in_the_secret_before_the_old_key_goes_and_the_secret_stays(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))
        new = pre_auth_key.create(client, store, a_key(reusable=True), datetime.now(UTC), in_state=[old.key_id])
        assert len(client.list_pre_auth_keys()) == 2

        deleted(client, store, old)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


def test_a_replacement_of_the_same_kind_is_never_the_key_that_is_replaced(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))

        new = pre_auth_key.create(client, store, a_key(), datetime.now(UTC), in_state=[old.key_id])

        assert new.key_id != old.key_id


def test_a_key_that_headscale_refuses_leaves_no_secret(headscale):
    with headscale.client() as client:
        store = MemoryStore()

        with pytest.raises(UserError, match=r"no user with id 99; see `headscale users list`"):
            pre_auth_key.create(client, store, a_key(user_id="99"), datetime.now(UTC))

        assert store.secrets == {}


def test_a_key_that_is_declared_under_another_name_is_another_key_in_the_same_secret(headscale):
    """Pulumi makes the new one first, and deletes the old one afterwards."""
    with headscale.client() as client:
        client.create_user("alice")
        store, now = MemoryStore(), datetime.now(UTC)
        old = pre_auth_key.create(client, store, a_key(owner="vpn-a"), now)

        new = pre_auth_key.create(client, store, a_key(owner="vpn-b"), now)
        deleted(client, store, old)

        assert [str(key.id) for key in client.list_pre_auth_keys()] == [new.key_id]
        assert store.read("ns", "laptop").data == {"key": new.text}


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(minutes=5)])
def test_an_api_key_that_is_declared_under_another_name_is_another_key_in_the_same_secret(headscale, overlap):
    with headscale.client() as client:
        store, now = MemoryStore(), datetime.now(UTC)
        mine = replace(WANTED, owner="vpn-a")
        old = api_key.create(client, store, mine, now)
        used = store.read("ns", "key").data["api-key"]

        new = api_key.create(client, store, replace(mine, owner="vpn-b", overlap=overlap), now)
        api_key.delete(client, store, mine, [old.prefix])

        assert headscale.opens(store.read("ns", "key").data["api-key"])
        assert headscale.opens(used) is (overlap != timedelta(0))
        api_key.finalize(client, store, mine, now + timedelta(minutes=6))
        assert usable(client) == [new.prefix]


def test_a_key_that_is_over_is_not_taken_for_a_good_one(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store = MemoryStore()
        old = pre_auth_key.create(client, store, a_key(), datetime.now(UTC))

        later = datetime.now(UTC) + timedelta(hours=2)
        assert pre_auth_key.create(client, store, a_key(), later).key_id != old.key_id


def test_lifetime_in_another_notation_is_in_sync(headscale):
    with headscale.client() as client:
        client.create_user("alice")
        store, now = MemoryStore(), datetime.now(UTC)
        issued = pre_auth_key.create(client, store, a_key(expiration=timedelta(days=1)), now)
        stored = store.read("ns", "laptop")
        earlier = stored.annotations[SPEC].replace('"24h"', '"1d"')
        assert earlier != stored.annotations[SPEC]
        store.write("ns", "laptop", replace(stored, annotations={**stored.annotations, SPEC: earlier}))

        same, longer = (seen(client, store, issued, a_key(expiration=timedelta(hours=hours))) for hours in (24, 25))

        assert (same.ended, same.secret_in_sync, longer.secret_in_sync) == (None, True, False)
