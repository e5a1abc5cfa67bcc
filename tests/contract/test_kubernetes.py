"""What the Kubernetes API does that Secrets, the registry of users and the sidecar rely on.

The fixture `kubernetes` has `kubeconfig`, a `namespace` that is empty but for StatefulSet and PVC of the instance
`vpn`, and `pod`, the API server as a pod of that namespace sees it.
"""

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.kubernetes.user_registry import PvcUserRegistry
from headscale_core.keys.annotations import EXPIRES_AT, KEY_ID, SUPERSEDED
from headscale_core.keys.secrets import SecretNotOwned, StoredSecret
from headscale_sidecar.kubernetes import ManagedSecret

FOREIGN_MANAGER = {"fieldManager": "another-tool", "force": "true"}
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
STORED = StoredSecret({"key": "secret"}, {"headscale-component/key-id": "7"}, {"team": "ci"})


@pytest.fixture
def api_client(kubernetes):
    cluster = Cluster(kubernetes.kubeconfig)
    yield cluster
    cluster.close()


@pytest.fixture
def store(kubernetes, api_client):
    return KubernetesSecretStore(api_client, "vpn", kubernetes.namespace, "preauth-key")


def secret_path(kubernetes, name):
    return f"/api/v1/namespaces/{kubernetes.namespace}/secrets/{name}"


def claim_path(kubernetes):
    return f"/api/v1/namespaces/{kubernetes.namespace}/persistentvolumeclaims/data-vpn-0"


def found(api_client, path):
    answer = api_client.request("GET", path)
    assert answer.ok, answer.message
    return answer.body


def changed(api_client, path, **metadata):
    """Change an object, as another tool does."""
    answer = api_client.request("PATCH", path, body={"metadata": metadata}, content_type=MERGE)
    assert answer.ok, answer.message


def delete_claim(kubernetes, api_client):
    """Delete the PVC; its finalizer takes a moment on a real cluster."""
    assert api_client.request("DELETE", claim_path(kubernetes)).ok
    deadline = time.monotonic() + 30
    while api_client.request("GET", claim_path(kubernetes)).ok:
        assert time.monotonic() < deadline, "the PVC does not go"
        time.sleep(0.1)


def foreign_secret(kubernetes, api_client, name="laptop"):
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"key": "eA=="}}
    answer = api_client.request("POST", secret_path(kubernetes, name).rpartition("/")[0], body=document)
    assert answer.status == 201, answer.message


def test_missing_secret_is_none(kubernetes, store):
    assert store.read(kubernetes.namespace, "laptop") is None
    store.delete(kubernetes.namespace, "laptop")


def test_written_secret_is_read_back(kubernetes, store):
    store.write(kubernetes.namespace, "laptop", STORED)

    assert store.read(kubernetes.namespace, "laptop") == STORED


def test_second_write_removes_what_it_lacks(kubernetes, store):
    store.write(kubernetes.namespace, "laptop", StoredSecret({"a": "1", "b": "2"}, {"x": "1", "y": "2"}, {"l": "1"}))
    store.write(kubernetes.namespace, "laptop", StoredSecret({"b": "3"}, {"y": "4"}))

    assert store.read(kubernetes.namespace, "laptop") == StoredSecret({"b": "3"}, {"y": "4"})


def test_fields_of_another_manager_survive_a_write(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "laptop", "annotations": {"theirs": "kept"}}}
    path = secret_path(kubernetes, "laptop")
    assert api_client.request("PATCH", path, body=theirs, params=FOREIGN_MANAGER, content_type=APPLY).ok

    store.write(kubernetes.namespace, "laptop", StoredSecret({"key": "new"}, {}))

    stored = store.read(kubernetes.namespace, "laptop")
    assert (stored.data, stored.annotations) == ({"key": "new"}, {"theirs": "kept"})


def test_apply_without_force_meets_a_conflict(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "laptop"}, "data": {"key": "eA=="}}
    params = {"fieldManager": "another-tool"}
    path = secret_path(kubernetes, "laptop")

    assert api_client.request("PATCH", path, body=theirs, params=params, content_type=APPLY).status == 409
    assert store.read(kubernetes.namespace, "laptop") == STORED


def test_write_without_change_keeps_resource_version(kubernetes, api_client, store):
    versions = []
    for _ in range(2):
        store.write(kubernetes.namespace, "laptop", STORED)
        versions.append(found(api_client, secret_path(kubernetes, "laptop"))["metadata"]["resourceVersion"])

    assert versions[0] == versions[1]


def test_foreign_secret_is_neither_read_nor_deleted(kubernetes, api_client, store):
    foreign_secret(kubernetes, api_client)

    with pytest.raises(SecretNotOwned, match=r"exists and is not managed as `preauth-key` of .*: nothing was changed"):
        store.read(kubernetes.namespace, "laptop")
    store.delete(kubernetes.namespace, "laptop")

    assert found(api_client, secret_path(kubernetes, "laptop"))["data"] == {"key": "eA=="}


OTHERS = {
    "another instance": {"instance": "other"},
    "another namespace": {"instance_namespace": "other"},
    "another kind": {"kind": "api-key"},
}


@pytest.mark.parametrize("difference", OTHERS.values(), ids=OTHERS)
def test_secret_of_another_owner_is_foreign(kubernetes, api_client, store, difference):
    owner = {"instance": "vpn", "instance_namespace": kubernetes.namespace, "kind": "preauth-key", **difference}
    other = KubernetesSecretStore(api_client, **owner)
    other.write(kubernetes.namespace, "laptop", STORED)

    with pytest.raises(SecretNotOwned):
        store.read(kubernetes.namespace, "laptop")
    store.delete(kubernetes.namespace, "laptop")
    assert store.all(kubernetes.namespace) == {}
    assert other.read(kubernetes.namespace, "laptop") == STORED


def test_secret_from_before_the_namespace_label_is_owned(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    changed(api_client, secret_path(kubernetes, "laptop"), labels={"headscale-component/namespace": None})

    assert store.read(kubernetes.namespace, "laptop") == STORED


def test_deleted_secret_is_gone(kubernetes, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    store.delete(kubernetes.namespace, "laptop")

    assert store.read(kubernetes.namespace, "laptop") is None


def test_secret_changed_since_the_read_is_deleted(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    changed(api_client, secret_path(kubernetes, "laptop"), annotations={"theirs": "x"})
    store.delete(kubernetes.namespace, "laptop")

    assert store.read(kubernetes.namespace, "laptop") is None


def test_secret_taken_over_since_the_read_stays(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    changed(api_client, secret_path(kubernetes, "laptop"), labels={"app.kubernetes.io/managed-by": "another-tool"})
    store.delete(kubernetes.namespace, "laptop")

    assert found(api_client, secret_path(kubernetes, "laptop"))["metadata"]["name"] == "laptop"


def test_stale_precondition_refuses_a_deletion(kubernetes, api_client, store):
    store.write(kubernetes.namespace, "laptop", STORED)
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": "1"}}

    assert api_client.request("DELETE", secret_path(kubernetes, "laptop"), body=options).status == 409


def test_list_holds_own_secrets_alone(kubernetes, api_client, store):
    for name in ("a", "b"):
        store.write(kubernetes.namespace, name, STORED)
    foreign_secret(kubernetes, api_client, "c")

    assert store.all(kubernetes.namespace) == {"a": STORED, "b": STORED}
    everywhere = [value for value in store.list_in_all_namespaces() if value[0] == kubernetes.namespace]
    assert sorted(name for _, name, _ in everywhere) == ["a", "b"]


def test_list_is_read_in_pages(kubernetes, api_client, store):
    for name in "abcde":
        store.write(kubernetes.namespace, name, STORED)
    path, names, page = secret_path(kubernetes, "").rstrip("/"), [], {}
    while True:
        params = {"labelSelector": "headscale-component/kind=preauth-key", "limit": "2", **page}
        answer = api_client.request("GET", path, params=params)
        names.append([item["metadata"]["name"] for item in answer.body["items"]])
        if not answer.body["metadata"].get("continue"):
            break
        page = {"continue": answer.body["metadata"]["continue"]}

    assert names == [["a", "b"], ["c", "d"], ["e"]]


def test_invalid_label_is_refused(kubernetes, store):
    with pytest.raises(ClusterError, match=r"cannot be written: .*Invalid value") as caught:
        store.write(kubernetes.namespace, "laptop", StoredSecret({}, {}, {"team": "two words"}))

    assert caught.value.status == 422


@pytest.fixture
def registry(kubernetes):
    """Make registries of programs of their own: each has a connection, closed afterwards."""
    clusters = []

    def make(**options):
        clusters.append(Cluster(kubernetes.kubeconfig))
        return PvcUserRegistry(clusters[-1], kubernetes.namespace, "vpn", **options)

    yield make
    for cluster in clusters:
        cluster.close()


def test_registered_users_are_read_by_the_next_program(kubernetes, registry):
    first = registry()
    first.add("alice", "bob")
    first.remove("bob")

    again = registry()
    assert (again.contains("alice"), again.contains("bob"), again.names()) == (True, False, {"alice"})
    assert again.is_found("alice")


def test_registries_of_two_programs_lose_nothing(kubernetes, api_client, registry):
    first, second = registry(), registry()
    assert (first.names(), second.names()) == (set(), set())

    first.add("alice")
    changed(api_client, claim_path(kubernetes), annotations={"theirs": "kept"})
    second.add("bob")
    first.remove("alice")

    assert registry().names() == {"bob"}
    assert found(api_client, claim_path(kubernetes))["metadata"]["annotations"]["theirs"] == "kept"


def test_concurrent_registries_lose_nothing(kubernetes, registry):
    begin = threading.Barrier(4)

    def work(program):
        value = registry()
        value.names()
        begin.wait(10)
        for number in range(3):
            value.add(f"user-{program}-{number}")

    with ThreadPoolExecutor(4) as programs:
        list(programs.map(work, range(4)))

    assert len(registry().names()) == 12


def test_full_pvc_takes_no_more_users(kubernetes, api_client, registry):
    changed(api_client, claim_path(kubernetes), annotations={"theirs": "x" * (256 * 1024 - 300)})
    messages = []
    full = registry(warn=messages.append)
    full.add("alice")

    assert full.contains("alice") is None
    assert len(messages) == 1


def test_without_pvc_no_registry_is_kept(kubernetes, api_client, registry):
    delete_claim(kubernetes, api_client)
    users = registry()
    users.add("alice")

    assert not users.has_pvc()
    assert users.contains("alice") is None


ISSUED = StoredSecret({"api-key": "text"}, {KEY_ID: "abc", EXPIRES_AT: "2030-01-01T00:00:00+00:00"})


@pytest.fixture
def managed(kubernetes):
    return ManagedSecret(kubernetes.pod, "vpn")


def test_sidecar_reads_the_secret_it_wrote(kubernetes, api_client, managed):
    assert managed.read(kubernetes.namespace, "key") is None
    managed.write(kubernetes.namespace, "key", ISSUED)

    stored = managed.read(kubernetes.namespace, "key")
    assert (stored.data, stored.annotations) == (ISSUED.data, ISSUED.annotations)
    secret = found(api_client, secret_path(kubernetes, "key"))
    (owner,) = secret["metadata"]["ownerReferences"]
    path = f"/apis/apps/v1/namespaces/{kubernetes.namespace}/statefulsets/vpn"
    assert owner["uid"] == found(api_client, path)["metadata"]["uid"]
    assert base64.b64decode(secret["data"]["api-key"]) == b"text"


def test_sidecar_knows_its_keys_without_the_secret(kubernetes, api_client, managed):
    managed.write(kubernetes.namespace, "key", ISSUED)
    assert api_client.request("DELETE", secret_path(kubernetes, "key")).ok

    stored = managed.read(kubernetes.namespace, "key")
    assert (stored.data, stored.annotations) == ({}, {KEY_ID: "abc"})


def test_sidecar_revokes_what_an_older_secret_lacks(kubernetes, api_client, managed):
    """A Secret from a backup holds an older key than the claim knows of."""
    managed.write(kubernetes.namespace, "key", ISSUED)
    older = found(api_client, secret_path(kubernetes, "key"))
    managed.write(kubernetes.namespace, "key", StoredSecret(ISSUED.data, {**ISSUED.annotations, KEY_ID: "newer"}))
    changed(api_client, secret_path(kubernetes, "key"), annotations=older["metadata"]["annotations"])

    stored = managed.read(kubernetes.namespace, "key")
    assert stored.annotations[SUPERSEDED].startswith("newer@")


def test_sidecar_leaves_a_foreign_secret_alone(kubernetes, api_client, managed):
    foreign_secret(kubernetes, api_client, "key")

    with pytest.raises(SecretNotOwned):
        managed.read(kubernetes.namespace, "key")


def test_sidecar_rotates_without_the_pvc(kubernetes, api_client, managed):
    delete_claim(kubernetes, api_client)
    managed.write(kubernetes.namespace, "key", ISSUED)

    assert managed.read(kubernetes.namespace, "key").data == ISSUED.data


def test_sidecar_reports_an_event(kubernetes, api_client, managed):
    managed.report(kubernetes.namespace, "KeyNotRotated", "the reason")

    path = f"/api/v1/namespaces/{kubernetes.namespace}/events"
    events = found(api_client, path)["items"]
    (event,) = [event for event in events if event.get("reason") == "KeyNotRotated"]
    assert (event["message"], event["involvedObject"]["name"]) == ("the reason", "vpn")
