"""A lost cluster: nothing is dropped from the state without consent, and everything with it.

The cluster runs all the time, and a kubeconfig points elsewhere: the objects in the cluster show that nothing changed.
"""

import json

import pytest

from dynamic_providers.failures import DROP_VARIABLE

from .conftest import an_instance, errors, output_of, type_and_name

NAMESPACE = "e2e-cluster-gone"
UNREACHABLE = "the Kubernetes cluster is unreachable"
DYNAMIC = "pulumi-python:dynamic/headscale:"
IN_HEADSCALE = {f"{DYNAMIC}{kind}" for kind in ("User", "PreAuthKey", "ApiKey", "Policy", "Rollout")}


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
    """Return the instance's users, preauth keys and key Secrets."""
    return (
        {user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")},
        {key["key"][:23] for key in cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")},
        {name: cluster.secret(name, NAMESPACE) for name in ("laptop", "ui")},
    )


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_unreachable_cluster_drops_nothing_from_state(stack, cluster, unreachable_kubeconfig, command):
    before, held = resources(stack), in_headscale(cluster)
    run = getattr(stack, command)(check=False, KUBECONFIG=str(unreachable_kubeconfig))

    assert run.returncode != 0
    assert "Traceback" not in output_of(run)
    # Resources that are read at the same time report the same error.
    unreachable = {line for line in errors(run) if UNREACHABLE in line}
    assert len(unreachable) == 1, errors(run)
    assert f"if the cluster is gone for good, {DROP_VARIABLE}=true drops this from the state" in unreachable.pop()
    assert resources(stack) == before
    assert in_headscale(cluster) == held


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_lost_cluster_with_consent_drops_everything(stack, cluster, unreachable_kubeconfig, tmp_path, command):
    state, held = stack.export(), in_headscale(cluster)
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    try:
        run = getattr(stack, command)(KUBECONFIG=str(unreachable_kubeconfig), **{DROP_VARIABLE: "true"})
        left = resources(stack)
    finally:
        # The cluster still runs, and the stack is destroyed when the module is done.
        stack.pulumi("stack", "import", "--stack", stack.name, "--file", str(file))

    assert "Traceback" not in output_of(run)
    assert "is dropped from the state" in output_of(run)
    assert {name.partition("::")[0] for name in left} & IN_HEADSCALE == set()
    assert not any(name.startswith("kubernetes:") for name in left), left
    if command == "destroy":
        assert {name for name in left if not name.startswith("pulumi:pulumi:Stack")} == set()
    assert in_headscale(cluster) == held
    stack.preview("--expect-no-changes")
