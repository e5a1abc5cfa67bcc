"""The quick start of headscale-operator and its three keys, each used by a real node."""

import base64
import json
import urllib.request

import pytest

from lab.tailnode import TailNode

from .conftest import an_instance, eventually

NAMESPACE = "e2e-quick-start"

USERS = {
    "alice": {
        "displayName": "Alice Smith",
        "email": "alice@example.com",
        "pictureURL": "https://example.com/alice.jpg",
    },
    "ci-user": {},
}
KEYS = {
    "alice-dev-key": {"user": "alice", "expiration": "24h", "tags": ["tag:dev", "tag:laptop"]},
    "laptop-key": {"user": "alice", "expiration": "1h", "reusable": False},
    "ci-runner-key": {
        "user": "ci-user",
        "expiration": "720h",
        "reusable": True,
        "ephemeral": True,
        "tags": ["tag:ci", "tag:ephemeral"],
    },
    "test-env-key": {"userId": 1, "expiration": "2h", "ephemeral": True, "tags": ["tag:test"]},
}


def declared(**changes):
    return {
        "vpn": an_instance(
            NAMESPACE,
            users=USERS,
            preAuthKeys=KEYS,
            apiKey={
                "autoManage": True,
                "secretName": "headscale-api-key",
                "expiration": "2160h",
                "rotationBuffer": "240h",
            },
            **changes,
        )
    }


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(**declared())
    stack.up()
    return stack


@pytest.fixture(scope="module")
def login_server(stack, cluster):
    service = cluster.get("service", "vpn", NAMESPACE)
    return f"http://{service['spec']['clusterIP']}:8080"


@pytest.fixture
def node(tmp_path):
    nodes = []

    def make(name):
        made = TailNode(tmp_path / name)
        made.start()
        nodes.append(made)
        return made

    yield make
    for made in nodes:
        made.stop()


def runners(cluster):
    listed = cluster.headscale("vpn", NAMESPACE, "nodes", "list") or []
    return {value["given_name"] for value in listed if value["given_name"].startswith("runner-")}


def test_objects_have_the_documented_names(stack, cluster):
    assert cluster.exists("statefulset", "vpn", NAMESPACE)
    assert cluster.exists("persistentvolumeclaim", "data-vpn-0", NAMESPACE)
    for kind in ("serviceaccount", "role", "rolebinding"):
        assert cluster.exists(kind, "vpn", NAMESPACE), kind
    assert {"service/vpn", "service/vpn-metrics"} <= cluster.names("service", NAMESPACE)
    assert any(name.startswith("configmap/vpn-config-") for name in cluster.names("configmap", NAMESPACE))


def test_users_have_their_profiles(stack, cluster):
    users = {user["name"]: user for user in cluster.headscale("vpn", NAMESPACE, "users", "list")}

    assert set(users) == {"alice", "ci-user"}
    assert users["alice"]["display_name"] == "Alice Smith"
    assert users["alice"]["email"] == "alice@example.com"
    assert users["alice"]["profile_pic_url"] == "https://example.com/alice.jpg"
    assert stack.output("vpn")["users"]["alice"] == str(users["alice"]["id"])


def test_api_key_in_secret_authenticates_a_call(stack, cluster, login_server):
    secret = cluster.secret("headscale-api-key", NAMESPACE)
    request = urllib.request.Request(
        f"{login_server}/api/v1/user", headers={"Authorization": f"Bearer {secret['api-key']}"}
    )

    with urllib.request.urlopen(request, timeout=10) as answer:
        names = {user["name"] for user in json.load(answer)["users"]}

    assert names == {"alice", "ci-user"}
    assert set(secret) == {"api-key", "expiration", "created-at"}


def test_reusable_key_joins_several_nodes(stack, cluster, login_server, node):
    """The nodes are ephemeral and stop with this test; the last test of this module checks that they are deleted."""
    key = cluster.secret("ci-runner-key", NAMESPACE)["key"]
    for number in (1, 2):
        node(f"runner-{number}").up(login_server, key, hostname=f"runner-{number}")

    assert runners(cluster) == {"runner-1", "runner-2"}


def test_one_time_key_refuses_a_second_node(stack, cluster, login_server, node):
    key = cluster.secret("laptop-key", NAMESPACE)["key"]

    node("first").up(login_server, key, hostname="first-laptop")
    second = node("second").up(login_server, key, hostname="second-laptop", check=False)

    assert second.returncode != 0
    assert "already used" in second.stdout + second.stderr
    assert {"first-laptop"} == {
        value["given_name"]
        for value in cluster.headscale("vpn", NAMESPACE, "nodes", "list")
        if "laptop" in value["given_name"]
    }


def test_tagged_key_tags_its_node(stack, cluster, login_server, node):
    node("dev").up(login_server, cluster.secret("alice-dev-key", NAMESPACE)["key"], hostname="dev-machine")

    (found,) = [
        value for value in cluster.headscale("vpn", NAMESPACE, "nodes", "list") if value["given_name"] == "dev-machine"
    ]
    assert set(found["tags"]) == {"tag:dev", "tag:laptop"}


def test_second_up_has_no_changes(stack):
    stack.preview("--expect-no-changes")
    stack.up("--expect-no-changes")


def test_refresh_after_up_shows_no_drift(stack):
    stack.refresh()
    stack.preview("--expect-no-changes")


def test_preview_shows_only_the_change(stack):
    changed = declared()
    changed["vpn"]["users"] = {**USERS, "carol": {}}
    changed["vpn"]["preAuthKeys"] = {**KEYS, "carol-key": {"user": "carol"}}
    stack.declare(**changed)
    try:
        assert stack.planned() == {("create", "vpn-carol"), ("create", "vpn-carol-key")}
    finally:
        stack.declare(**declared())


def test_preview_without_cluster_succeeds(stack, unreachable_kubeconfig):
    stack.preview("--expect-no-changes", KUBECONFIG=str(unreachable_kubeconfig))


def test_state_and_output_contain_no_key(stack, cluster):
    stack.preview("--diff")
    stack.up("--diff")
    stack.refresh("--diff")
    stack.pulumi("stack", "output", "--stack", stack.name)
    keys = [cluster.secret(name, NAMESPACE)["key"] for name in KEYS]
    keys.append(cluster.secret("headscale-api-key", NAMESPACE)["api-key"])

    everything = json.dumps(stack.export()) + "".join(stack.command_outputs)

    assert len(keys) == 5
    for key in keys:
        assert key not in everything
        assert key[-40:] not in everything
        assert base64.b64encode(key.encode()).decode() not in everything


def test_disconnected_ephemeral_nodes_are_deleted(stack, cluster):
    eventually("the runners are gone", lambda: not runners(cluster), seconds=150)
