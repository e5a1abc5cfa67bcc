"""The note of our users on the claim: two programs lose nothing, threads share requests, a full claim is no end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import user_registry
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.user_registry import USERS_ANNOTATION, PvcUserRegistry

CLAIM = "/api/v1/namespaces/n/persistentvolumeclaims/data-vpn-0"


@pytest.fixture
def claim(api, monkeypatch):
    api.put(CLAIM, {"other": "kept"})
    return api


def a_record(api, **options):
    return PvcUserRegistry(Cluster(api.kubeconfig), "n", "vpn", **options)


def noted(api):
    return api.objects[CLAIM]["metadata"]["annotations"].get(USERS_ANNOTATION, "")


def test_two_programs_lose_nothing_of_each_other(claim):
    first, second = a_record(claim), a_record(claim)
    for record in (first, second):
        assert record.contains("alice") is False

    first.add("alice")
    second.add("bob")
    first.remove("alice")
    first.add("carol")

    assert noted(claim) == "bob,carol"
    assert claim.objects[CLAIM]["metadata"]["annotations"]["other"] == "kept"


@pytest.mark.parametrize("name", ["ada.lovelace", "svc_backup", "Bob@Example.com", "josé"])
def test_name_of_a_directory_is_recorded(claim, name):
    a_record(claim).add(name)

    assert a_record(claim).contains(name) is True
    assert a_record(claim).contains(name.swapcase()) is False


def test_conflict_on_the_pvc_is_retried(claim):
    record = a_record(claim)
    record.add("alice")
    claim.put(CLAIM, {**claim.objects[CLAIM]["metadata"]["annotations"], "headscale-component/api-keys": "{}"})

    record.add("bob")

    assert noted(claim) == "alice,bob"
    assert claim.objects[CLAIM]["metadata"]["annotations"]["headscale-component/api-keys"] == "{}"


def test_endless_conflict_ends_with_one_message(claim, monkeypatch):
    claim.refuse = lambda method, path: (409, "modified") if method == "PATCH" else None

    with pytest.raises(ClusterError, match="others write it all the time"):
        a_record(claim).add("alice")


def test_threads_share_requests_and_lose_no_name(claim):
    """What one thread writes holds the names of those that wait for it."""
    record, slow = a_record(claim), threading.Lock()

    def refuse(method, path):
        if method == "PATCH":
            time.sleep(0.05)

    claim.refuse = refuse
    missing = []

    def add(number):
        record.add(f"user-{number}")
        with slow:
            if f"user-{number}" not in noted(claim).split(","):
                missing.append(number)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(add, range(48)))

    assert missing == []
    assert len(noted(claim).split(",")) == 48
    assert claim.count("PATCH", CLAIM) <= 12


def test_failed_write_fails_for_its_own_thread_only(claim):
    """Its name fails with it; those that wait write their own."""
    record, failing = a_record(claim), threading.Event()
    entered = threading.Event()

    def refuse(method, path):
        if method == "PATCH" and not failing.is_set():
            entered.set()
            time.sleep(0.2)
            failing.set()
            return 500, "no leader"
        return None

    claim.refuse = refuse
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(record.add, "alice")
        entered.wait(5)
        second = threads.submit(record.add, "bob")
        with pytest.raises(ClusterError, match="no leader"):
            first.result()
        second.result()

    assert noted(claim) == "bob"


@pytest.mark.parametrize("room", [2000, 10**9], ids=["by our own count", "by the server's"])
def test_full_pvc_ends_registry_and_not_update(claim, monkeypatch, room):
    monkeypatch.setattr(user_registry, "_ROOM_BYTES", room)
    filler = "x" * (1800 if room == 2000 else 256 * 1024 - 200)
    claim.put(CLAIM, {"other": filler})
    said = []
    record = a_record(claim, warn=said.append)

    for number in range(40):
        record.add(f"user-{number}")

    assert len(said) == 1
    assert "no room" in said[0]
    assert record.contains("user-0") is True
    for reader in (record, a_record(claim)):
        assert reader.contains("user-39") is None, "whether it is ours cannot be told"
    record.remove("user-0")
    assert "user-0" not in noted(claim).split(",")


@pytest.mark.parametrize("status", [403, 404])
def test_without_right_or_pvc_no_registry_is_kept(api, status):
    api.refuse = lambda method, path: (status, "no") if path == CLAIM else None
    record = a_record(api)

    record.add("alice")

    assert record.contains("alice") is None


def test_pvc_annotation_is_proof_of_the_cluster(claim):
    record = a_record(claim)
    assert not record.is_found()
    record.add("alice")

    assert record.is_found()
    assert record.is_found("alice")
    assert not record.is_found("bob")
    del claim.objects[CLAIM]
    assert not record.is_found("alice")
