"""Data and keys over time: rotation, destroy, and deployment after destroy."""

import pytest

from headscale_core import api_key_prefix

from .conftest import an_instance, eventually


def live_keys(cluster, namespace):
    """Return the prefixes of all API keys that are still valid in Headscale."""
    listed = cluster.headscale("vpn", namespace, "apikeys", "list") or []
    return {key["prefix"].removeprefix("hskey-api-").removesuffix("-***") for key in listed if not is_expired(key)}


def is_expired(key):
    from datetime import UTC, datetime

    return key["expiration"]["seconds"] <= datetime.now(UTC).timestamp()


def test_rotation_leaves_exactly_one_valid_key(make_stack, cluster):
    namespace = "e2e-rotation"
    stack = make_stack(namespace)
    stack.declare(vpn=an_instance(namespace, apiKey={"expiration": "40s", "rotationBuffer": "25s", "overlap": "3s"}))
    stack.up()

    first = cluster.secret("headscale-api-key", namespace)["api-key"]
    second = eventually(
        "another key is in the Secret",
        lambda: (now := cluster.secret("headscale-api-key", namespace)["api-key"]) != first and now,
    )

    eventually("one key is left", lambda: live_keys(cluster, namespace) == {api_key_prefix(second)}, seconds=12)


@pytest.fixture(scope="module")
def redeployed(make_stack, cluster):
    """An instance that was destroyed and deployed again: stack, namespace, users before, PVCs after the destroy."""
    namespace = "e2e-back"
    stack = make_stack(namespace)
    stack.declare(vpn=an_instance(namespace, users={"alice": {}}, preAuthKeys={"laptop": {"user": "alice"}}))
    stack.up()
    before = cluster.headscale("vpn", namespace, "users", "list")
    stack.destroy()
    eventually(
        "only what is retained is left",
        lambda: (
            not cluster.names("statefulset,pod,service,secret,role,serviceaccount", namespace)
            - {"serviceaccount/default"}
        ),
    )
    claims = cluster.names("persistentvolumeclaim", namespace)
    stack.up()
    return stack, namespace, before, claims


def test_destroy_keeps_only_the_pvc(redeployed):
    *_, claims = redeployed

    assert claims == {"persistentvolumeclaim/data-vpn-0"}


def test_up_after_destroy_finds_existing_users(redeployed, cluster):
    stack, namespace, before, _ = redeployed

    assert cluster.headscale("vpn", namespace, "users", "list") == before
    stack.preview("--expect-no-changes")


def test_replace_option_rotates_key_in_its_secret(make_stack, cluster):
    namespace = "e2e-replace"
    stack = make_stack(namespace)
    keys = {"laptop": {"user": "alice", "expiration": "24h"}, "desk": {"user": "alice", "expiration": "24h"}}
    stack.declare(vpn=an_instance(namespace, users={"alice": {}}, preAuthKeys=keys, apiKeys={"ui": {"overlap": "0s"}}))
    stack.up()
    urns = {value["urn"].rpartition("::")[2]: value["urn"] for value in stack.export()["deployment"]["resources"]}
    before = {name: cluster.secret(name, namespace) for name in ("laptop", "desk", "ui")}

    stack.up("--replace", urns["vpn-laptop"], "--replace", urns["vpn-ui-api-key"])
    after = {name: cluster.secret(name, namespace) for name in before}
    listed = {key["key"][:23] for key in cluster.headscale("vpn", namespace, "preauthkeys", "list")}

    assert after["laptop"]["key"] != before["laptop"]["key"]
    assert after["ui"]["api-key"] != before["ui"]["api-key"]
    assert after["desk"] == before["desk"]
    assert listed == {after["laptop"]["key"][:23], after["desk"]["key"][:23]}
    assert api_key_prefix(after["ui"]["api-key"]) in live_keys(cluster, namespace)
    stack.preview("--expect-no-changes")
