"""An instance that gets a stack of its own by `pulumi state move`: nothing in the cluster changes."""

import shutil

from .conftest import Stack, an_instance

NAMESPACE = "e2e-state-move"


def test_moved_instance_shows_no_changes(make_stack, cluster, environment):
    stack = make_stack(NAMESPACE)
    declared = an_instance(
        NAMESPACE,
        users={"alice": {}},
        preAuthKeys={"laptop": {"user": "alice"}},
        policy={"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}]},
    )
    stack.declare(vpn=declared)
    stack.up()
    other = Stack(stack.directory, stack.environment, f"{stack.name}-other")
    other.pulumi("stack", "init", other.name)
    shutil.copy(stack.file, other.file)
    other.declare(vpn=declared)
    try:
        component = f"urn:pulumi:{stack.name}::headscale::headscale:index:Headscale::vpn"
        other.pulumi("state", "move", "--source", stack.name, "--dest", other.name, "--yes", component)

        assert {name for _, name in other.planned()} <= {"instances"}
        other.up()
        other.preview("--expect-no-changes")
        assert [user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")] == ["alice"]
    finally:
        other.destroy(check=False)
