"""An instance without the sidecar: its users and keys are managed through the pod, with a temporary key."""

import pytest

from .conftest import an_instance

NAMESPACE = "e2e-pod-channel"


def declared(**changes):
    declared = {
        "apiKey": {"autoManage": False},
        "users": {"alice": {}},
        "preAuthKeys": {"laptop": {"user": "alice"}},
        "apiKeys": {"ui": {"expiration": "48h", "rotationBuffer": "24h"}},
    }
    return {"vpn": an_instance(NAMESPACE, **{**declared, **changes})}


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(**declared())
    stack.up()
    return stack


def test_pod_channel_creates_users_and_keys(stack, cluster):
    (user,) = cluster.headscale("vpn", NAMESPACE, "users", "list")
    (key,) = cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")

    assert (user["name"], key["user"]["name"]) == ("alice", "alice")
    assert cluster.secret("laptop", NAMESPACE)["key"].startswith("hskey-auth-")


def test_temporary_api_key_is_deleted(stack, cluster):
    kept = cluster.secret("ui", NAMESPACE)["api-key"]

    listed = cluster.headscale("vpn", NAMESPACE, "apikeys", "list")

    assert [key["prefix"] for key in listed] == [kept[: len("hskey-api-") + 12] + "-***"]


def test_instance_without_sidecar_has_no_sidecar_objects(stack, cluster):
    pod = cluster.get("pod", "vpn-0", NAMESPACE)

    assert [container["name"] for container in pod["spec"]["containers"]] == ["headscale"]
    for kind in ("serviceaccount", "role", "rolebinding"):
        assert not cluster.exists(kind, "vpn", NAMESPACE)


def test_second_up_has_no_changes(stack):
    stack.up("--expect-no-changes")


def test_wrong_api_key_is_named_without_its_value(stack, cluster):
    wrong = "hskey-api-" + "A" * 12 + "-" + "B" * 64
    cluster.kubectl("create", "secret", "generic", "wrong", "-n", NAMESPACE, f"--from-literal=api-key={wrong}")
    users = {"alice": {}, "bob": {}}
    stack.declare(**declared(users=users, connection={"channel": "pod", "apiKeySecret": "wrong"}))

    run = stack.up(check=False)
    stack.declare(**declared(users=users))
    stack.up()

    assert run.returncode != 0
    assert "the API key is wrong" in run.stdout
    assert wrong not in run.stdout + run.stderr
    assert sorted(user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")) == ["alice", "bob"]
