"""The user registry, an annotation of the PVC: conflicts, threads that share requests, and a full PVC."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import user_registry
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.user_registry import USERS_ANNOTATION, PvcUserRegistry

PVC = "/api/v1/namespaces/n/persistentvolumeclaims/data-vpn-0"


@pytest.fixture
def pvc(api, monkeypatch):
    api.put(PVC, {"other": "kept"})
    return api


def a_registry(api, **options):
    return PvcUserRegistry(Cluster(api.kubeconfig), "n", "vpn", **options)


def recorded_names(api):
    return api.objects[PVC]["metadata"]["annotations"].get(USERS_ANNOTATION, "")


def test_two_programs_lose_nothing_of_each_other(pvc):
    first, second = a_registry(pvc), a_registry(pvc)
    for registry in (first, second):
        assert registry.contains("alice") is False

    first.add("alice")
    second.add("bob")
    first.remove("alice")
    first.add("carol")

    assert recorded_names(pvc) == "bob,carol"
    assert pvc.objects[PVC]["metadata"]["annotations"]["other"] == "kept"


@pytest.mark.parametrize("name", ["ada.lovelace", "svc_backup", "Bob@Example.com", "josé"])
def test_name_of_a_directory_is_recorded(pvc, name):
    a_registry(pvc).add(name)

    assert a_registry(pvc).contains(name) is True
    assert a_registry(pvc).contains(name.swapcase()) is False


def test_conflict_on_the_pvc_is_retried(pvc):
    registry = a_registry(pvc)
    registry.add("alice")
    pvc.put(PVC, {**pvc.objects[PVC]["metadata"]["annotations"], "headscale-component/api-keys": "{}"})

    registry.add("bob")

    assert recorded_names(pvc) == "alice,bob"
    assert pvc.objects[PVC]["metadata"]["annotations"]["headscale-component/api-keys"] == "{}"


def test_endless_conflict_ends_with_one_message(pvc, monkeypatch):
    pvc.refuse = lambda method, path: (409, "modified") if method == "PATCH" else None

    with pytest.raises(ClusterError, match="other programs keep changing it"):
        a_registry(pvc).add("alice")


def test_threads_share_requests_and_lose_no_name(pvc):
    """What one thread writes holds the names of those that wait for it."""
    registry, slow = a_registry(pvc), threading.Lock()

    def refuse(method, path):
        if method == "PATCH":
            time.sleep(0.05)

    pvc.refuse = refuse
    missing = []

    def add(number):
        registry.add(f"user-{number}")
        with slow:
            if f"user-{number}" not in recorded_names(pvc).split(","):
                missing.append(number)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(add, range(48)))

    assert missing == []
    assert len(recorded_names(pvc).split(",")) == 48
    assert pvc.count("PATCH", PVC) <= 12


def test_failed_write_fails_for_its_own_thread_only(pvc):
    """Its name fails with it; those that wait write their own."""
    registry, failing = a_registry(pvc), threading.Event()
    entered = threading.Event()

    def refuse(method, path):
        if method == "PATCH" and not failing.is_set():
            entered.set()
            time.sleep(0.2)
            failing.set()
            return 500, "no leader"
        return None

    pvc.refuse = refuse
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(registry.add, "alice")
        entered.wait(5)
        second = threads.submit(registry.add, "bob")
        with pytest.raises(ClusterError, match="no leader"):
            first.result()
        second.result()

    assert recorded_names(pvc) == "bob"


@pytest.mark.parametrize("room", [2000, 10**9], ids=["by our own count", "by the server's"])
def test_full_pvc_ends_registry_and_not_update(pvc, monkeypatch, room):
    monkeypatch.setattr(user_registry, "_ROOM_BYTES", room)
    filler = "x" * (1800 if room == 2000 else 256 * 1024 - 200)
    pvc.put(PVC, {"other": filler})
    messages = []
    registry = a_registry(pvc, warn=messages.append)

    for number in range(40):
        registry.add(f"user-{number}")

    assert len(messages) == 1
    assert "no room" in messages[0]
    assert registry.contains("user-0") is True
    for reader in (registry, a_registry(pvc)):
        assert reader.contains("user-39") is None, "whether it is managed is not known"
    registry.remove("user-0")
    assert "user-0" not in recorded_names(pvc).split(",")


@pytest.mark.parametrize("status", [403, 404])
def test_without_right_or_pvc_no_registry_is_kept(api, status):
    api.refuse = lambda method, path: (status, "no") if path == PVC else None
    registry = a_registry(api)

    registry.add("alice")

    assert registry.contains("alice") is None


def test_pvc_annotation_is_proof_of_the_cluster(pvc):
    registry = a_registry(pvc)
    assert not registry.is_found()
    registry.add("alice")

    assert registry.is_found()
    assert registry.is_found("alice")
    assert not registry.is_found("bob")
    del pvc.objects[PVC]
    assert not registry.is_found("alice")
