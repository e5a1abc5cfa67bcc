"""Users, keys and policy over their life, with drift: on 0.28 and 0.29, by gRPC and by REST.

One stack holds an instance for each way, so that every step is one update of all of them.
"""

import base64
import json
import time
from typing import Any

import pytest

from headscale_core import api_key_prefix
from lab.tailnode import TailNode

from .conftest import an_instance, eventually

pytestmark = pytest.mark.slow

NAMESPACE = "e2e-every-way"
ELSEWHERE = "e2e-every-way-pods"
BY_REST: dict[str, Any] = {"apiKey": {"autoManage": False}, "connection": {"transport": "rest"}}
WAYS = {
    "grpc-28": {"version": "v0.28.0", "apiKey": {"secretName": "grpc-28-own"}},
    "grpc-29": {"version": "v0.29.3", "apiKey": {"secretName": "grpc-29-own"}},
    "rest-28": {"version": "v0.28.0", **BY_REST},
    "rest-29": {"version": "v0.29.3", **BY_REST},
}
POLICY = {
    "groups": {"group:admin": ["alice@"]},
    "tagOwners": {"tag:ci": ["group:admin"]},
    "acls": [{"action": "accept", "src": ["group:admin"], "dst": ["*:*"]}],
    "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:ci"]}},
}
USERS = {"alice": {"email": "alice@example.com"}, "bob": {}}


def declared(*, users=USERS, key=None, runner=None, policy=POLICY, names=("laptop", "ui"), recreate=False):
    keys = {"user": "alice", "expiration": "24h", "reusable": True, **(key or {})}
    laptop, ui = names
    return {
        way: an_instance(
            NAMESPACE,
            users=users,
            preAuthKeys={
                f"{way}-{laptop}": {**keys, "secretName": f"{way}-laptop"},
                f"{way}-runner": {
                    "tags": ["tag:ci"],
                    "secretNamespace": ELSEWHERE,
                    "secretKey": "TS_AUTHKEY",
                    "secretLabels": {"team": "ci"},
                    "secretAnnotations": {"example.com/note": "x"},
                    **(runner or {}),
                },
            },
            apiKeys={f"{way}-{ui}": {"overlap": "0s", "secretName": f"{way}-ui"}},
            **({"policy": policy} if policy else {}),
            **({"keysOnUserDeletion": "recreate"} if recreate else {}),
            **settings,
        )
        for way, settings in WAYS.items()
    }


@pytest.fixture(scope="module")
def stack(make_stack, cluster):
    stack = make_stack(NAMESPACE, ELSEWHERE)
    eventually("the other namespace is free", lambda: not cluster.kubectl("get", "ns", ELSEWHERE, "--ignore-not-found"))
    cluster.kubectl("create", "namespace", ELSEWHERE)
    stack.declare(**declared())
    stack.up()
    return stack


@pytest.fixture(scope="module")
def join(cluster, tmp_path_factory):
    """Join real nodes, each with a key, which stay until the module is done."""
    nodes = []

    def make(way, key, hostname):
        node = TailNode(tmp_path_factory.mktemp("node"))
        nodes.append(node)
        node.start()
        address = cluster.get("service", way, NAMESPACE)["spec"]["clusterIP"]
        node.up(f"http://{address}:8080", key, hostname=hostname)

    yield make
    for node in nodes:
        node.stop()


def every(*names):
    return {name.format(way=way) for way in WAYS for name in names}


def changes(stack, *arguments):
    return {(op, name) for op, name in stack.planned(*arguments) if op not in {"refresh", "read"}}


def replaced(planned):
    return {name for op, name in planned if op not in {"create", "update", "delete"}}


def pods(cluster):
    """Return which pods run, and how often their containers were started."""
    found = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
    return {
        pod["metadata"]["uid"]: [status["restartCount"] for status in pod["status"]["containerStatuses"]]
        for pod in found
    }


def nodes(cluster, way):
    return {node["given_name"] for node in cluster.headscale(way, NAMESPACE, "nodes", "list") or []}


def users(cluster, way):
    return {user["name"]: user["id"] for user in cluster.headscale(way, NAMESPACE, "users", "list") or []}


def keys(cluster, way):
    return cluster.headscale(way, NAMESPACE, "preauthkeys", "list") or []


def policy(cluster, way):
    return cluster.headscale(way, NAMESPACE, "policy", "get") or {}


def is_held(cluster, way):
    """Return whether the Secrets hold the only keys that Headscale knows."""
    held = {
        cluster.secret(f"{way}-laptop", NAMESPACE)["key"][:23],
        cluster.secret(f"{way}-runner", ELSEWHERE)["TS_AUTHKEY"][:23],
    }
    return {key["key"][:23] for key in keys(cluster, way)} == held


def api_keys(cluster, way):
    listed = cluster.headscale(way, NAMESPACE, "apikeys", "list")
    return {key["prefix"].removeprefix("hskey-api-").removesuffix("-***") for key in listed}


def own_api_keys(cluster, way):
    ui = {api_key_prefix(cluster.secret(f"{way}-ui", NAMESPACE)["api-key"])}
    return ui | ({api_key_prefix(cluster.secret(f"{way}-own", NAMESPACE)["api-key"])} if "grpc" in way else set())


def test_first_up_creates_everything_second_has_no_changes(stack, cluster):
    for way in WAYS:
        assert set(users(cluster, way)) == {"alice", "bob"}
        assert is_held(cluster, way)
        assert api_keys(cluster, way) == own_api_keys(cluster, way)
        assert policy(cluster, way)["groups"] == POLICY["groups"]
        secret = cluster.get("secret", f"{way}-runner", ELSEWHERE)["metadata"]
        assert (secret["labels"]["team"], secret["annotations"]["example.com/note"]) == ("ci", "x")
    assert changes(stack, "--refresh") == set()


def test_drift_is_shown_and_only_drift_is_repaired(stack, cluster):
    ids = {way: users(cluster, way) for way in WAYS}
    for way in WAYS:
        cluster.headscale(way, NAMESPACE, "users", "rename", "--identifier", str(ids[way]["bob"]), "--new-name", "rob")
        laptop = next(key for key in keys(cluster, way) if key.get("user", {}).get("name") == "alice")
        cluster.headscale(way, NAMESPACE, "preauthkeys", "expire", "--id", str(laptop["id"]))
        prefix = api_key_prefix(cluster.secret(f"{way}-ui", NAMESPACE)["api-key"])
        cluster.headscale(way, NAMESPACE, "apikeys", "delete", "--prefix", prefix, "--force")
        cluster.kubectl("delete", "secret", f"{way}-runner", "-n", ELSEWHERE)
        set_policy(cluster, way, '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}')
    runners = {way: [key["id"] for key in keys(cluster, way)] for way in WAYS}
    running = pods(cluster)

    planned = changes(stack, "--refresh")
    stack.up("--refresh")

    updated = every("{way}-bob", "{way}-{way}-ui-api-key", "{way}-{way}-runner", "{way}-policy")
    assert {name for op, name in planned if op == "update"} == updated
    assert {name for op, name in planned if op != "update"} == replaced(planned) == every("{way}-{way}-laptop")
    assert pods(cluster) == running, "all of it is in force with no restart"
    for way in WAYS:
        assert users(cluster, way) == ids[way]
        assert is_held(cluster, way)
        assert api_keys(cluster, way) == own_api_keys(cluster, way)
        assert policy(cluster, way)["groups"] == POLICY["groups"]
        assert len({key["id"] for key in keys(cluster, way)} & set(runners[way])) == 1, "the runners' key is the same"
    assert changes(stack, "--refresh") == set()


def test_invalid_key_and_edited_secret_are_repaired(stack, cluster):
    for way in WAYS:
        laptop = next(key for key in keys(cluster, way) if key.get("user", {}).get("name") == "alice")
        cluster.headscale(way, NAMESPACE, "preauthkeys", "delete", "--id", str(laptop["id"]))
        prefix = api_key_prefix(cluster.secret(f"{way}-ui", NAMESPACE)["api-key"])
        cluster.headscale(way, NAMESPACE, "apikeys", "expire", "--prefix", prefix)
        edit = {"data": {"TS_AUTHKEY": base64.b64encode(b"nonsense").decode()}}
        cluster.kubectl("patch", "secret", f"{way}-runner", "-n", ELSEWHERE, "-p", json.dumps(edit))

    planned = changes(stack, "--refresh")
    stack.up("--refresh")

    assert {name for op, name in planned if op == "update"} == every("{way}-{way}-ui-api-key", "{way}-{way}-runner")
    assert {name for op, name in planned if op != "update"} == replaced(planned) == every("{way}-{way}-laptop")
    for way in WAYS:
        assert is_held(cluster, way)
        assert api_keys(cluster, way) == own_api_keys(cluster, way)
    assert changes(stack, "--refresh") == set()


def test_used_key_with_recreate_option_is_recreated(stack, cluster, join):
    for way in WAYS:
        join(way, cluster.secret(f"{way}-runner", ELSEWHERE)["TS_AUTHKEY"], f"runner-{way}")
    assert changes(stack, "--refresh") == set()

    stack.declare(**declared(runner={"recreateIfInvalid": "always"}))
    planned = changes(stack, "--refresh")
    stack.up("--refresh")

    assert {name for _, name in planned} == replaced(planned) == every("{way}-{way}-runner")
    for way in WAYS:
        assert is_held(cluster, way)
        assert nodes(cluster, way) == {f"runner-{way}"}, "joined nodes stay"
    stack.declare(**declared())
    stack.up()


def test_key_near_expiry_is_renewed_by_time_alone(stack, cluster):
    stack.declare(**declared(key={"renewBefore": "23h59m50s"}))
    stack.up()
    old = {way: cluster.secret(f"{way}-laptop", NAMESPACE)["key"] for way in WAYS}
    time.sleep(10)

    planned = changes(stack)
    stack.up()

    assert {name for _, name in planned} == replaced(planned) == every("{way}-{way}-laptop")
    for way in WAYS:
        assert cluster.secret(f"{way}-laptop", NAMESPACE)["key"] != old[way]
        assert is_held(cluster, way)
    stack.declare(**declared())
    stack.up()


def test_renamed_keys_keep_their_secrets(stack, cluster):
    for names in (("portable", "console"), ("laptop", "ui")):
        stack.declare(**declared(names=names))
        stack.up()
        for way in WAYS:
            assert is_held(cluster, way)
            assert api_keys(cluster, way) == own_api_keys(cluster, way)
    assert changes(stack, "--refresh") == set()


def set_policy(cluster, way, text):
    pod = ("exec", "-i", f"{way}-0", "-n", NAMESPACE, "-c", "headscale", "--")
    cluster.kubectl(*pod, "headscale", "policy", "set", "-f", "/dev/stdin", stdin=text)


def test_deleted_users_and_keys_are_recreated(stack, cluster):
    for way in WAYS:
        bob = str(users(cluster, way)["bob"])
        cluster.headscale(way, NAMESPACE, "users", "destroy", "--identifier", bob, "--force")

    planned = changes(stack, "--refresh")
    stack.up("--refresh")

    assert {name for op, name in planned if op == "create"} == every("{way}-bob")
    for way in WAYS:
        assert set(users(cluster, way)) == {"alice", "bob"}
        assert is_held(cluster, way)
    assert changes(stack, "--refresh") == set()


def test_renamed_user_keeps_id_and_keys(stack, cluster):
    before = {way: (users(cluster, way), keys(cluster, way)) for way in WAYS}
    stack.declare(**declared(users={"alice": USERS["alice"], "robert": {"renamedFrom": "bob"}}))

    assert changes(stack) == {("update", name) for name in every("{way}-robert")}
    stack.up()

    for way in WAYS:
        assert users(cluster, way) == {"alice": before[way][0]["alice"], "robert": before[way][0]["bob"]}
        assert keys(cluster, way) == before[way][1]
    stack.declare(**declared(users={"alice": USERS["alice"], "robert": {}}))
    assert changes(stack) == set()


def test_changed_profile_replaces_user_keeps_other_users_keys(stack, cluster):
    before = {way: users(cluster, way) for way in WAYS}
    profile = {"alice": USERS["alice"], "robert": {"email": "robert@example.com"}}
    stack.declare(**declared(users=profile, recreate=True))

    output = stack.preview().stdout
    planned = changes(stack)
    stack.up()

    assert "user `robert`: Headscale cannot change email of a user; it is deleted and recreated" in output
    assert replaced(planned) == every("{way}-robert")
    for way in WAYS:
        after = users(cluster, way)
        assert (after["alice"], after["robert"] > before[way]["robert"]) == (before[way]["alice"], True)
        assert is_held(cluster, way)
    stack.refresh()
    assert changes(stack) == set()


def test_removed_policy_warns_in_preview_and_is_deleted(stack, cluster):
    stack.declare(**declared(users={"alice": USERS["alice"], "robert": {}}, policy=None))

    output = stack.preview().stdout
    stack.up()

    assert "the policy goes (1 of `acls`): without one Headscale lets every node reach every port" in output
    for way in WAYS:
        assert policy(cluster, way) == {}


def test_removed_user_is_kept_without_recreate_consent(stack, cluster):
    alone = {"alice": USERS["alice"]}
    stack.declare(**declared(users=alone, policy=None))
    run = stack.up(check=False)
    assert run.returncode != 0
    assert "keysOnUserDeletion: recreate" in run.stdout
    assert {way for way in WAYS if "robert" in users(cluster, way)} == {"grpc-28", "rest-28"}

    stack.declare(**declared(users=alone, policy=None, recreate=True))
    stack.up()

    for way in WAYS:
        assert set(users(cluster, way)) == {"alice"}
        assert is_held(cluster, way)
    stack.refresh()
    assert changes(stack) == set()


def test_deleted_stateful_set_is_recreated_with_its_data(stack, cluster):
    for way in WAYS:
        cluster.kubectl("delete", "statefulset", way, "-n", NAMESPACE)

    stack.up("--refresh")

    for way in WAYS:
        assert set(users(cluster, way)) == {"alice"}
        assert is_held(cluster, way)


def test_lost_volume_recreates_everything_with_new_ids(stack, cluster):
    for way in WAYS:
        cluster.kubectl("scale", "statefulset", way, "-n", NAMESPACE, "--replicas=0")
    for way in WAYS:
        cluster.kubectl("delete", "persistentvolumeclaim", f"data-{way}-0", "-n", NAMESPACE, "--timeout=60s")
        cluster.kubectl("scale", "statefulset", way, "-n", NAMESPACE, "--replicas=1")
    for way in WAYS:
        cluster.kubectl("rollout", "status", f"statefulset/{way}", "-n", NAMESPACE, "--timeout=90s")
        assert users(cluster, way) == {}

    stack.up("--refresh")

    for way in WAYS:
        assert set(users(cluster, way)) == {"alice"}
        assert is_held(cluster, way)
        eventually(
            "only the declared API keys are left", lambda way=way: api_keys(cluster, way) == own_api_keys(cluster, way)
        )
    assert changes(stack, "--refresh") == set()


def test_user_with_node_without_consent_is_not_deleted(stack, cluster, join):
    for way in WAYS:
        join(way, cluster.secret(f"{way}-laptop", NAMESPACE)["key"], f"laptop-{way}")
    new_profile = {"alice": {"email": "a@example.com", "forceDelete": True}}

    def up(users, check=True):
        instances = declared(users=users, policy=None, recreate=True)
        for instance in instances.values():
            instance["preAuthKeys"] = {
                name: key for name, key in instance["preAuthKeys"].items() if key.get("user", "nobody") in users
            } | {name: key for name, key in instance["preAuthKeys"].items() if "user" not in key}
        stack.declare(**instances)
        return stack.up(check=check)

    changed = up(new_profile, check=False)
    kept = up({}, check=False)

    assert "`alice` has nodes: laptop-" in changed.stdout
    assert "user `alice` still has nodes: laptop-" in kept.stdout
    for way in WAYS:
        assert users(cluster, way).keys() == {"alice"}
        assert f"laptop-{way}" in nodes(cluster, way)
    up({"alice": {**USERS["alice"], "forceDelete": True}})
    up({})
    for way in WAYS:
        assert users(cluster, way) == {}
        assert nodes(cluster, way) == set()
        (runner,) = keys(cluster, way)
        assert cluster.secret(f"{way}-runner", ELSEWHERE)["TS_AUTHKEY"].startswith(runner["key"][:23])
