"""A cluster that is gone: nothing is dropped from the state before a person says so, and everything afterwards.

The cluster is there all the time, and a kubeconfig leads elsewhere: what the cluster holds shows that nothing was done.
"""

import json

import pytest

from dynamic_providers.failures import DROP_VARIABLE

from .conftest import an_instance, errors, said, type_and_name

NAMESPACE = "e2e-cluster-gone"
UNREACHABLE = "the Kubernetes cluster is unreachable"
OURS = "pulumi-python:dynamic/headscale:"
BEHIND = {f"{OURS}{kind}" for kind in ("User", "PreAuthKey", "ApiKey", "Policy", "Rollout")}


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(
        vpn=an_instance(
            NAMESPACE,
            users={"alice": {}},
            policy={"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}]},
            preAuthKeys={"laptop": {"user": "alice", "expiration": "24h"}},
            apiKeys={"ui": {}},
        )
    )
    stack.up()
    return stack


def resources(stack):
    """Return the resources in the state, as `type::name`."""
    return {type_and_name(resource["urn"]) for resource in stack.export()["deployment"].get("resources") or ()}


def in_headscale(cluster):
    """Return what the instance holds: its users, its keys, and the Secrets of those."""
    return (
        {user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")},
        {key["key"][:23] for key in cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")},
        {name: cluster.secret(name, NAMESPACE) for name in ("laptop", "ui")},
    )


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_unreachable_cluster_drops_nothing_from_state(stack, cluster, nowhere, command):
    before, held = resources(stack), in_headscale(cluster)
    run = getattr(stack, command)(check=False, KUBECONFIG=str(nowhere))

    assert run.returncode != 0
    assert "Traceback" not in said(run)
    # Resources that were asked for at the same time say the same.
    ours = {line for line in errors(run) if UNREACHABLE in line}
    assert len(ours) == 1, errors(run)
    assert f"if the cluster is gone for good, {DROP_VARIABLE}=true drops this from the state" in ours.pop()
    assert resources(stack) == before
    assert in_headscale(cluster) == held


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_lost_cluster_with_consent_drops_everything(stack, cluster, nowhere, tmp_path, command):
    state, held = stack.export(), in_headscale(cluster)
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    try:
        run = getattr(stack, command)(KUBECONFIG=str(nowhere), **{DROP_VARIABLE: "true"})
        left = resources(stack)
    finally:
        # The cluster is not gone, and is what the end of this module destroys.
        stack.pulumi("stack", "import", "--stack", stack.name, "--file", str(file))

    assert "Traceback" not in said(run)
    assert "is dropped from the state" in said(run)
    assert {name.partition("::")[0] for name in left} & BEHIND == set()
    assert not any(name.startswith("kubernetes:") for name in left), left
    if command == "destroy":
        assert {name for name in left if not name.startswith("pulumi:pulumi:Stack")} == set()
    assert in_headscale(cluster) == held
    stack.preview("--expect-no-changes")
