"""A move to another database is refused without consent; with it everything is recreated, the policy first."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from headscale_core.policy.deny_all import DENY_ALL

from .conftest import an_instance, errors, output_of

OLD, NEW, CLOSED = "e2e-moved-old", "e2e-moved-new", "e2e-moved-closed"
BEFORE, AFTER = "e2e-moved-before", "e2e-moved-after"
POLICY = {"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:22"]}]}
LIVES_IN_DATABASE = {
    "pulumi-python:dynamic/headscale:User::vpn-alice",
    "pulumi-python:dynamic/headscale:User::vpn-bob",
    "pulumi-python:dynamic/headscale:Policy::vpn-policy",
    "pulumi-python:dynamic/headscale:PreAuthKey::vpn-laptop",
    "pulumi-python:dynamic/headscale:PreAuthKey::vpn-phone",
    "pulumi-python:dynamic/headscale:ApiKey::vpn-ui-api-key",
}


def declared(namespace, **changes):
    return an_instance(
        namespace,
        **{
            "users": {"alice": {}, "bob": {}},
            "policy": POLICY,
            "preAuthKeys": {
                "laptop": {"user": "alice", "expiration": "24h"},
                "phone": {"user": "bob", "expiration": "24h"},
            },
            "apiKeys": {"ui": {}},
            **changes,
        },
    )


@pytest.fixture(scope="module")
def stack(make_stack, cluster):
    stack = make_stack(OLD, NEW)
    stack.declare(vpn=declared(OLD))
    stack.up()
    return stack


def in_headscale(cluster, namespace):
    """Return the names of the users, and the owners and first letters of the keys, that Headscale knows."""
    users = cluster.headscale("vpn", namespace, "users", "list") or []
    keys = cluster.headscale("vpn", namespace, "preauthkeys", "list") or []
    return {user["name"] for user in users}, {(key["user"]["name"], key["key"][:23]) for key in keys}


def held(cluster, namespace):
    owners = {"laptop": "alice", "phone": "bob"}
    return {(owner, cluster.secret(name, namespace)["key"][:23]) for name, owner in owners.items()}


def rows(cluster, namespace, tmp_path, *columns):
    """Return values from Headscale's database, which is in a folder of this machine."""
    volume = cluster.get("persistentvolumeclaim", "data-vpn-0", namespace)["spec"]["volumeName"]
    folder = json.loads(cluster.kubectl("get", "persistentvolume", volume, "-o", "json"))["spec"]["hostPath"]["path"]
    # A copy with its log: Headscale has the database open.
    copy = tmp_path / namespace
    copy.mkdir(exist_ok=True)
    for file in Path(folder).glob("db.sqlite*"):
        shutil.copy(file, copy)
    with sqlite3.connect(copy / "db.sqlite") as database:
        return [[row[0] for row in database.execute(f"select {column} from {table}")] for table, column in columns]


def test_changed_cluster_address_changes_nothing(stack, cluster, tmp_path):
    """The same API server under another address: the PVC is the same, so it is the same database."""
    document = cluster.kubeconfig()
    service = cluster.get("service", "kubernetes", "default")["spec"]
    address = f"https://{service['clusterIP']}:{service['ports'][0]['port']}"
    document["clusters"][0]["cluster"]["server"] = address
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))

    planned = stack.plan(KUBECONFIG=str(path))
    run = stack.up(KUBECONFIG=str(path))

    assert planned == {}
    assert "whether it is another cluster" not in output_of(run)
    stack.preview("--expect-no-changes", KUBECONFIG=str(path))
    assert in_headscale(cluster, OLD) == ({"alice", "bob"}, held(cluster, OLD))
    stack.up()


@pytest.mark.parametrize("command", ["preview", "up"])
def test_moved_namespace_is_refused_without_consent(stack, cluster, command):
    before, pod = in_headscale(cluster, OLD), cluster.get("pod", "vpn-0", OLD)["metadata"]["uid"]
    stack.declare(vpn=declared(NEW))
    # `up` as users run it, with its preview.
    run = stack.preview(check=False) if command == "preview" else stack.pulumi("up", "--yes", check=False)
    stack.declare(vpn=declared(OLD))

    text = " ".join(output_of(run).split())
    assert run.returncode != 0
    for words in (
        "the data does not move",
        f"PVC {OLD}/data-vpn-0",
        "Every node has to join again",
        "users, keys and policy are recreated",
        f"`abandonData: {OLD}/vpn`",
    ):
        assert words in text, words
    assert "Traceback" not in text
    assert len(errors(run)) == 1
    assert in_headscale(cluster, OLD) == before
    assert cluster.get("pod", "vpn-0", OLD)["metadata"]["uid"] == pod
    assert not cluster.kubectl("get", "namespace", NEW, "--ignore-not-found").strip()
    stack.preview("--expect-no-changes")


def test_moved_namespace_with_consent_recreates_everything(stack, cluster, tmp_path):
    claim = cluster.get("persistentvolumeclaim", "data-vpn-0", OLD)["metadata"]["uid"]
    old_keys = held(cluster, OLD)
    stack.declare(vpn=declared(NEW, abandonData=f"{OLD}/vpn"))
    planned = stack.plan()
    run = stack.up()

    assert planned["replace"] >= LIVES_IN_DATABASE
    assert "the data does not move" in " ".join(output_of(run).split())
    assert cluster.get("persistentvolumeclaim", "data-vpn-0", OLD)["metadata"]["uid"] == claim
    assert not cluster.exists("statefulset", "vpn", OLD)
    assert in_headscale(cluster, NEW) == ({"alice", "bob"}, held(cluster, NEW))
    assert not held(cluster, NEW) & old_keys
    assert cluster.headscale("vpn", NEW, "policy", "get") == POLICY
    policies, texts, keys = rows(
        cluster, NEW, tmp_path, ("policies", "created_at"), ("policies", "data"), ("pre_auth_keys", "created_at")
    )
    # The sidecar closed the new database until the declared policy was stored.
    assert texts[0] == DENY_ALL
    assert [json.loads(text) for text in texts[1:]] == [POLICY]
    assert len(keys) == 2
    assert max(policies) < min(keys)
    stack.preview("--expect-no-changes")


def test_failed_policy_on_first_up_leaves_no_key(make_stack, cluster):
    """The retained database has a policy that the stack does not own, which is not overwritten."""
    stack = make_stack(CLOSED)
    stack.declare(vpn=an_instance(CLOSED))
    stack.up()
    cluster.kubectl(
        *("exec", "vpn-0", "-n", CLOSED, "-c", "headscale", "-i", "--"),
        *("headscale", "policy", "set", "--file", "/dev/stdin"),
        stdin=json.dumps({"acls": []}),
    )
    stack.destroy()
    stack.declare(vpn=declared(CLOSED))
    refused = stack.up(check=False)
    users, keys = in_headscale(cluster, CLOSED)
    secrets = cluster.names("secret", CLOSED) & {"secret/laptop", "secret/phone"}

    assert refused.returncode != 0
    assert "overwrite" in output_of(refused)
    assert users == {"alice", "bob"}
    assert (keys, secrets) == (set(), set())

    stack.declare(vpn=declared(CLOSED, policy={**POLICY, "overwrite": True}))
    stack.up()
    assert in_headscale(cluster, CLOSED) == ({"alice", "bob"}, held(cluster, CLOSED))
    stack.preview("--expect-no-changes")


def test_refused_move_without_preview_can_be_reverted(make_stack, cluster):
    stack = make_stack(BEFORE, AFTER)
    stack.declare(vpn=declared(BEFORE))
    stack.up()
    before = in_headscale(cluster, BEFORE)
    stack.declare(vpn=declared(AFTER))
    refused = stack.up(check=False)
    stack.declare(vpn=declared(BEFORE))

    assert refused.returncode != 0
    assert f"`abandonData: {BEFORE}/vpn`" in " ".join(output_of(refused).split())
    assert not cluster.kubectl("get", "namespace", AFTER, "--ignore-not-found").strip()
    stack.up()
    assert in_headscale(cluster, BEFORE) == before
    stack.preview("--expect-no-changes")
