"""An instance that does not run is refreshed, repaired and destroyed; keys deleted meanwhile are revoked afterwards."""

import time

import pytest

from .conftest import an_instance, eventually, output_of

NAMESPACE = "e2e-stopped"
QUICK_SECONDS = 60
REVOKE = "headscale-component/revoke"


def declared(*keys, **changes):
    return {
        "vpn": an_instance(
            NAMESPACE,
            users={"alice": {}},
            policy={"acls": [{"action": "accept", "src": ["alice@"], "dst": ["alice@:*"]}]},
            preAuthKeys={name: {"user": "alice", "expiration": "24h"} for name in keys or ("laptop", "tablet")},
            apiKeys={"ui": {}},
            **changes,
        )
    }


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(**declared())
    stack.up()
    return stack


def quickly(command, *arguments, **options):
    started = time.monotonic()
    run = command(*arguments, **options)
    assert time.monotonic() - started < QUICK_SECONDS
    return run


def warnings(run):
    """Return the diagnostics at the end of the output; Pulumi prints each line earlier, too."""
    return run.stdout.partition("Diagnostics:")[2]


def keys_in(cluster):
    """Return the ids of the preauth keys and the prefixes of the API keys that Headscale knows."""
    pre_auth_keys = cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list") or []
    return {str(key["id"]) for key in pre_auth_keys}, {
        key["prefix"] for key in cluster.headscale("vpn", NAMESPACE, "apikeys", "list")
    }


def pending_revocations(cluster):
    annotation = cluster.get("pvc", "data-vpn-0", NAMESPACE)["metadata"].get("annotations", {}).get(REVOKE, "")
    return [entry.split("/")[:2] for entry in sorted(filter(None, annotation.split(",")))]


def secrets_of_keys(cluster):
    selector = "app.kubernetes.io/managed-by=headscale-component"
    return cluster.kubectl("get", "secrets", "-n", NAMESPACE, "-l", selector, "-o", "name").split()


def scale_to_zero(cluster):
    cluster.kubectl("scale", "statefulset", "vpn", "-n", NAMESPACE, "--replicas=0")
    eventually("the pod is gone", lambda: not cluster.exists("pod", "vpn-0", NAMESPACE))


def test_stopped_instance_refresh_has_no_changes(stack, cluster):
    stack.declare(**declared(replicas=0))
    stack.up()

    refreshed = quickly(stack.refresh, "--expect-no-changes")
    quickly(stack.up, "--refresh", "--expect-no-changes")

    assert warnings(refreshed).count("does not run") == 1
    assert f"StatefulSet {NAMESPACE}/vpn is scaled to 0" in output_of(refreshed)


def test_key_deleted_while_stopped_is_revoked_on_start(stack, cluster):
    tablet = next(value["outputs"] for value in resources(stack, "PreAuthKey") if value["urn"].endswith("vpn-tablet"))
    stack.declare(**declared("laptop", replicas=0))

    removed = quickly(stack.up)

    assert not cluster.exists("secret", tablet["secret_name"], NAMESPACE)
    assert "is revoked by the next `pulumi up`" in output_of(removed)
    assert [kind for kind, _ in pending_revocations(cluster)] == ["preauth-key"]
    stack.declare(**declared("laptop"))
    stack.up()
    pre_auth_keys, _ = keys_in(cluster)
    assert pre_auth_keys == {value["id"] for value in resources(stack, "PreAuthKey")}
    assert pending_revocations(cluster) == []
    stack.preview("--expect-no-changes")


def resources(stack, kind):
    found = stack.export()["deployment"]["resources"]
    return [value for value in found if value["urn"].rpartition("::")[0].endswith(f"/headscale:{kind}")]


def test_instance_scaled_by_hand_is_scaled_back(stack, cluster):
    before = keys_in(cluster)
    scale_to_zero(cluster)

    quickly(stack.up, "--refresh")

    assert keys_in(cluster) == before
    stack.preview("--expect-no-changes")


def broken(stack, because, **changes):
    stack.declare(**declared("laptop", readyTimeout="15s", **changes))
    assert stack.up(check=False).returncode != 0
    run = quickly(stack.refresh)
    assert warnings(run).count("does not run") == 1
    assert because in warnings(run)


def unpullable(stack, cluster):
    broken(stack, "Pull", image="headscale.invalid/headscale")


def crashing(stack, cluster):
    # A DERP map that cannot be fetched, which only shows when Headscale starts.
    broken(stack, "crashes", config={"derp": {"urls": ["http://127.0.0.1:9/map"], "server": {"enabled": True}}})


def stopped(stack, cluster):
    scale_to_zero(cluster)


@pytest.mark.parametrize("end", [stopped, unpullable, crashing], ids=lambda end: end.__name__)
def test_destroyed_keys_are_revoked_on_pvc_reuse(stack, cluster, end):
    pre_auth_keys, _ = keys_in(cluster)
    mine = {value["outputs"]["prefix"] for value in resources(stack, "ApiKey")}
    end(stack, cluster)

    quickly(stack.destroy)

    assert secrets_of_keys(cluster) == []
    assert {name for _, name in pending_revocations(cluster)} == {*pre_auth_keys, *mine}
    stack.declare(**declared("laptop"))
    stack.up()
    pre_auth_keys_now, api_keys_now = keys_in(cluster)
    assert pre_auth_keys_now == {value["id"] for value in resources(stack, "PreAuthKey")}
    assert not api_keys_now & mine
    assert pending_revocations(cluster) == []
