"""API keys in their Secrets: no run that ends anywhere loses a working key or leaks one."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headscale_core.keys import api_key
from headscale_core.keys.secrets import SecretTemplate, StoredSecret
from tests.builders import desired_api_key
from tests.contract.helpers import valid_prefixes
from tests.fakes.memory import MemoryStore
from tests.faults import CallFailed, FaultInjector, ProcessKilled, for_each_fault_point

FAULTS = pytest.mark.parametrize("fault", [ProcessKilled, CallFailed])
DESIRED = desired_api_key()
OVERLAPPING = desired_api_key(overlap="5m")


@FAULTS
def test_create_api_key_interrupted_anywhere_leaves_one(headscale, fault):
    with headscale.client() as client:
        store = MemoryStore()
        faults = 0
        for _ in for_each_fault_point(
            lambda plan: api_key.create(
                FaultInjector(client, plan), FaultInjector(store, plan), DESIRED, datetime.now(UTC)
            ),
            fault,
        ):
            faults += 1
            issued = api_key.create(client, store, DESIRED, datetime.now(UTC))
            assert valid_prefixes(client) == [issued.prefix]
            api_key.delete(client, store, DESIRED, [issued.prefix])
            assert (valid_prefixes(client), store.secrets) == ([], {})
        assert faults >= 6


@FAULTS
@pytest.mark.parametrize("desired", [DESIRED, OVERLAPPING], ids=["at once", "with overlap"])
def test_rotation_interrupted_anywhere_keeps_a_working_key(headscale, fault, desired):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, DESIRED, datetime.now(UTC))
        faults = 0

        def rotate(plan):
            api_key.rotate(FaultInjector(client, plan), FaultInjector(store, plan), desired, datetime.now(UTC))

        for _ in for_each_fault_point(rotate, fault):
            faults += 1
            assert headscale.opens(store.read("ns", "key").data["api-key"])
            api_key.finalize(client, store, desired, datetime.now(UTC))
            assert headscale.opens(store.read("ns", "key").data["api-key"])
            api_key.finalize(client, store, desired, datetime.now(UTC) + timedelta(minutes=6))
            (prefix,) = valid_prefixes(client)
            assert prefix == api_key.current(client, store.read("ns", "key")).prefix
        assert faults >= 6


@FAULTS
def test_delete_api_key_interrupted_anywhere_is_finished(headscale, fault):
    with headscale.client() as client:
        store = MemoryStore()

        def created():
            issued = api_key.create(client, store, OVERLAPPING, datetime.now(UTC))
            return api_key.rotate(client, store, OVERLAPPING, datetime.now(UTC), old=[issued.prefix])

        issued = created()

        def delete(plan):
            api_key.delete(FaultInjector(client, plan), FaultInjector(store, plan), OVERLAPPING, [issued.prefix])

        for _ in for_each_fault_point(delete, fault):
            api_key.delete(client, store, DESIRED, [issued.prefix])
            assert (valid_prefixes(client), store.secrets) == ([], {})
            issued = created()


def test_deletion_cleans_up_a_killed_rotation(headscale):
    """The state knows the first key alone; Secret and second key are found by whose they are."""
    mine = replace(OVERLAPPING, owner="vpn-ui")
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, mine, datetime.now(UTC))
        api_key.rotate(client, store, mine, datetime.now(UTC))
        assert len(valid_prefixes(client)) == 2

        api_key.delete(client, store, mine, [issued.prefix])

        assert (valid_prefixes(client), store.secrets) == ([], {})


def test_lost_secret_within_overlap_revokes_all_keys(headscale):
    with headscale.client() as client:
        store, now = MemoryStore(), datetime.now(UTC)
        first = api_key.create(client, store, OVERLAPPING, now)
        second = api_key.rotate(client, store, OVERLAPPING, now)
        store.secrets.clear()

        third = api_key.rotate(client, store, OVERLAPPING, now, old=[second.prefix, *second.superseded])
        api_key.finalize(client, store, OVERLAPPING, now + timedelta(minutes=6))

        assert first.prefix in second.superseded
        assert valid_prefixes(client) == [third.prefix]


def test_rotations_with_overlap_never_fail_a_consumer(headscale):
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
            rotations = 0
            while rotations < 20 or (len(calls) <= 5 and not failed):
                api_key.rotate(client, store, OVERLAPPING, datetime.now(UTC))
                rotations += 1
        finally:
            over.set()
            consumer.join()
        api_key.finalize(client, store, OVERLAPPING, datetime.now(UTC) + timedelta(minutes=6))

        assert (failed, len(client.list_api_keys())) == ([], 1)


def test_updated_secret_template_keeps_the_api_key(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, DESIRED, datetime.now(UTC))
        with_template = replace(DESIRED, template=SecretTemplate("TOKEN", {"team": "ui"}, {"note": "x"}))

        api_key.update_secret(store, with_template, "api-key")

        secret = store.read("ns", "key")
        assert api_key.current(client, secret, "TOKEN").prefix == issued.prefix
        assert (secret.labels, secret.annotations["note"], "api-key" in secret.data) == ({"team": "ui"}, "x", False)


def test_api_key_unknown_to_the_database_is_recreated(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        issued = api_key.create(client, store, DESIRED, datetime.now(UTC))
        client.delete_api_key(issued.prefix)

        assert api_key.current(client, store.read("ns", "key")) is None
        assert api_key.create(client, store, DESIRED, datetime.now(UTC)).prefix != issued.prefix


def test_edited_secret_holds_no_current_api_key(headscale):
    with headscale.client() as client:
        store = MemoryStore()
        api_key.create(client, store, DESIRED, datetime.now(UTC))
        stored = store.read("ns", "key")
        edited = StoredSecret({**stored.data, "api-key": stored.data["api-key"].swapcase()}, stored.annotations)

        assert api_key.current(client, edited) is None


@pytest.mark.parametrize("overlap", ["0s", "5m"])
def test_api_key_of_another_owner_takes_the_secret(headscale, overlap):
    with headscale.client() as client:
        store, now = MemoryStore(), datetime.now(UTC)
        mine = replace(DESIRED, owner="vpn-a")
        old = api_key.create(client, store, mine, now)
        used = store.read("ns", "key").data["api-key"]

        new = api_key.create(client, store, desired_api_key(owner="vpn-b", overlap=overlap), now)
        api_key.delete(client, store, mine, [old.prefix])

        assert headscale.opens(store.read("ns", "key").data["api-key"])
        assert headscale.opens(used) is (overlap != "0s")
        api_key.finalize(client, store, mine, now + timedelta(minutes=6))
        assert valid_prefixes(client) == [new.prefix]
