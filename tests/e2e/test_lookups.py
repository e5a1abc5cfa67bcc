"""What a program reads from a running Headscale, and users that existed before the stack."""

import pytest

from .conftest import an_instance

NAMESPACE = "e2e-lookups"
PROGRAM = """
import pulumi
from headscale_component import Headscale, stack_instances

for name, args in stack_instances().items():
    vpn = Headscale(name, args)
    pulumi.export("alice", vpn.get_user("alice").apply(lambda user: str(user.id)))
    pulumi.export("nodes", vpn.list_nodes().apply(len))
    pulumi.export("policy", vpn.get_policy())
"""
POLICY = {"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}]}


def declared(**users):
    return {"vpn": an_instance(NAMESPACE, users={"alice": {}, **users}, policy=POLICY)}


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    (stack.directory / "__main__.py").write_text(PROGRAM)
    stack.declare(**declared())
    return stack


def test_preview_before_first_up_reads_nothing(stack):
    assert ("create", "vpn") in stack.planned()


def test_lookups_return_users_nodes_and_policy(stack, cluster):
    stack.up()

    (alice,) = cluster.headscale("vpn", NAMESPACE, "users", "list")
    assert (stack.output("alice"), stack.output("nodes")) == (str(alice["id"]), 0)
    assert '"alice@"' in stack.output("policy")


def test_preview_without_cluster_marks_unknown_values(stack, unreachable_kubeconfig):
    output = stack.preview(KUBECONFIG=str(unreachable_kubeconfig)).stdout

    assert "not known in this preview" in output


def test_existing_user_is_adopted_only_with_adopt_option(stack, cluster):
    made = cluster.headscale("vpn", NAMESPACE, "users", "create", "bob", "--display-name", "Bob")
    stack.declare(**declared(bob={}))
    refused = stack.up(check=False)
    stack.declare(**declared(bob={"adopt": True}))
    stack.up()

    assert refused.returncode != 0
    assert "write `adopt: true` to keep it from now on" in refused.stdout
    found = {user["name"]: user for user in cluster.headscale("vpn", NAMESPACE, "users", "list")}
    assert (found["bob"]["id"], found["bob"]["display_name"]) == (made["id"], "Bob")
    assert {op for op, _ in stack.planned("--refresh")} <= {"refresh"}


def test_changed_user_preview_keeps_its_keys(stack, cluster):
    def with_a_key(**users):
        instances = declared(**users)
        instances["vpn"]["preAuthKeys"] = {"laptop": {"user": next(iter(users))}}
        return instances

    stack.declare(**with_a_key(bob={"adopt": True}))
    stack.up()
    key = cluster.secret("laptop", NAMESPACE)["key"]

    stack.declare(**with_a_key(bob={"adopt": True, "forceDelete": True}))
    assert stack.planned() == {("update", "vpn-bob")}
    stack.declare(**with_a_key(rob={"renamedFrom": "bob", "adopt": True}))
    assert stack.planned() == {("update", "vpn-rob")}
    stack.up()

    assert cluster.secret("laptop", NAMESPACE)["key"] == key
    stack.declare(**declared(bob={"renamedFrom": "rob", "adopt": True}))
    stack.up()


def test_policy_invalid_for_headscale_is_refused_before_changes(stack):
    broken = declared(bob={"adopt": True})
    broken["vpn"]["policy"] = {"acls": [{"action": "deny", "src": ["*"], "dst": ["*:*"]}]}
    stack.declare(**broken)

    run = stack.up(check=False)
    stack.declare(**declared(bob={"adopt": True}))

    assert run.returncode != 0
    assert "polic" in run.stdout
    assert '"alice@"' in stack.output("policy")
