"""A program with providers of its own: each instance, its users, keys and Secrets go where its provider leads.

There is one cluster in the lab. Two contexts with other users and namespaces show which credentials are used, and the
default kubeconfig names an unreachable cluster in these runs: a call to the default cluster fails.
"""

import json
import sys

import pytest
import yaml

from .conftest import Stack, output_of

NORTH, SOUTH, EAST = "e2e-two-north", "e2e-two-south", "e2e-two-east"
pytestmark = pytest.mark.slow

PROGRAM = """
import json

import pulumi
import pulumi_kubernetes as k8s

from headscale_component import Headscale

for name, its in json.load(open("instances.json")).items():
    provider = k8s.Provider(name, kubeconfig=open("kubeconfig.yaml").read(), **its["provider"])
    given = {"providers": [provider]} if its["as_list"] else {"provider": provider}
    headscale = Headscale(name, its["instance"], pulumi.ResourceOptions(**given), instance="vpn")
    headscale.user("added")
    headscale.pre_auth_key("added-key", {"user": "added", "expiration": "24h"})
    pulumi.export(name, {"users": headscale.users, "keys": headscale.pre_auth_keys, "service": headscale.service_name})
"""
RULES = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
PLACES = {"north": NORTH, "south": SOUTH, "east": EAST}


def instance(name):
    return {
        "namespace": PLACES[name],
        "version": "v0.29.3",
        "config": {"server_url": f"http://{name}.headscale.local", "derp": {"urls": [], "server": {"enabled": True}}},
        "persistentVolumeClaim": {"size": "128Mi"},
        "users": {f"of-{name}": {}},
        "policy": {"acls": [{"action": "accept", "src": [f"of-{name}@"], "dst": ["*:*"]}]},
        "preAuthKeys": {"declared-key": {"user": f"of-{name}", "expiration": "24h"}},
        "apiKeys": {"ui": {}},
    }


INSTANCES = {
    "north": {"provider": {"context": "north"}, "as_list": False, "instance": instance("north")},
    "south": {"provider": {"context": "south"}, "as_list": True, "instance": instance("south")},
    # Its context names an unreachable cluster; the argument `cluster` names the one that is used.
    "east": {"provider": {"context": "east", "cluster": "lab"}, "as_list": False, "instance": instance("east")},
}


@pytest.fixture(scope="module")
def stack(cluster, environment, tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    document = cluster.kubeconfig()
    lab = {**document["clusters"][0], "name": "lab"}
    lost = {"name": "lost", "cluster": {"server": "https://127.0.0.1:9"}}
    entries = {"clusters": [lab, lost], "users": [], "contexts": []}
    for name, namespace in PLACES.items():
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s")
        cluster.kubectl("create", "namespace", namespace)
        # Each has all permissions in its own namespace, and none in the others.
        user = cluster.as_account("deployer", namespace, RULES)["users"][0]["user"]
        entries["users"].append({"name": name, "user": user})
        to = "lost" if name == "east" else "lab"
        entries["contexts"].append({"name": name, "context": {"cluster": to, "user": name}})
    entries["contexts"].append({"name": "lost", "context": {"cluster": "lost", "user": "north"}})
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "lost", **entries}
    (directory / "kubeconfig.yaml").write_text(yaml.safe_dump(kubeconfig))
    (directory / "default.yaml").write_text(yaml.safe_dump({**kubeconfig, "contexts": entries["contexts"][-1:]}))
    (directory / "instances.json").write_text(json.dumps(INSTANCES))
    project = {"name": "two", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (directory / "__main__.py").write_text(PROGRAM)
    stack = Stack.of(directory, {**environment, "KUBECONFIG": str(directory / "default.yaml")}, "two")
    stack.up()
    yield stack
    stack.destroy(check=False)
    for namespace in PLACES.values():
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


@pytest.mark.parametrize("name", PLACES)
def test_each_instance_has_its_own_users_and_keys(stack, cluster, name):
    namespace = PLACES[name]
    users = {user["name"]: str(user["id"]) for user in cluster.headscale("vpn", namespace, "users", "list")}
    keys = cluster.headscale("vpn", namespace, "preauthkeys", "list")

    assert set(users) == {f"of-{name}", "added"}
    assert stack.output(name) == {
        "users": {f"of-{name}": users[f"of-{name}"]},
        "keys": {"declared-key": "declared-key"},
        "service": "vpn",
    }
    assert {(key["user"]["name"], key["key"][:23]) for key in keys} == {
        (owner, cluster.secret(secret, namespace)["key"][:23])
        for secret, owner in (("declared-key", f"of-{name}"), ("added-key", "added"))
    }
    assert cluster.headscale("vpn", namespace, "policy", "get") == INSTANCES[name]["instance"]["policy"]
    assert cluster.secret("ui", namespace)["api-key"]
    assert cluster.get("service", "vpn", namespace)["spec"]["clusterIP"]


def test_second_up_has_no_changes(stack):
    stack.preview("--expect-no-changes")
    stack.up("--expect-no-changes")


def test_refresh_and_new_key_reach_own_cluster(stack, cluster):
    changed = {**INSTANCES, "south": json.loads(json.dumps(INSTANCES["south"]))}
    changed["south"]["instance"]["users"]["new"] = {}
    changed["south"]["instance"]["preAuthKeys"]["new-key"] = {"user": "new"}
    (stack.directory / "instances.json").write_text(json.dumps(changed))
    stack.up("--refresh")

    users = {
        name: {user["name"] for user in cluster.headscale("vpn", namespace, "users", "list")}
        for name, namespace in PLACES.items()
    }
    assert users == {
        "north": {"of-north", "added"},
        "south": {"of-south", "added", "new"},
        "east": {"of-east", "added"},
    }
    assert cluster.exists("secret", "new-key", SOUTH)


def test_changed_cluster_address_keeps_everything(stack, cluster):
    """The Kubernetes provider is replaced then, and each of its objects; the database and what is in it are not."""

    def kept():
        return {
            namespace: (
                cluster.get("persistentvolumeclaim", "data-vpn-0", namespace)["metadata"]["uid"],
                [(user["name"], user["id"]) for user in cluster.headscale("vpn", namespace, "users", "list")],
                {key["key"][:23] for key in cluster.headscale("vpn", namespace, "preauthkeys", "list")},
                cluster.secret("declared-key", namespace),
            )
            for namespace in PLACES.values()
        }

    before = kept()
    path = stack.directory / "kubeconfig.yaml"
    kubeconfig = yaml.safe_load(path.read_text())
    service = cluster.get("service", "kubernetes", "default")["spec"]
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://{service['clusterIP']}:{service['ports'][0]['port']}"
    path.write_text(yaml.safe_dump(kubeconfig))
    stack.up()

    assert kept() == before
    for namespace in PLACES.values():
        for kind in ("statefulset", "service", "serviceaccount", "role", "rolebinding"):
            assert cluster.exists(kind, "vpn", namespace), kind
    stack.preview("--expect-no-changes")


def test_service_account_of_another_namespace_is_refused(stack, cluster):
    """The user of the context is used: with another context, the same program fails."""
    swapped = {**INSTANCES, "north": {**INSTANCES["north"], "provider": {"context": "south"}}}
    swapped["north"]["instance"] = {**INSTANCES["north"]["instance"], "users": {"of-north": {}, "late": {}}}
    (stack.directory / "instances.json").write_text(json.dumps(swapped))
    run = stack.up(check=False)
    (stack.directory / "instances.json").write_text(json.dumps(INSTANCES))

    assert run.returncode != 0
    assert "system:serviceaccount:e2e-two-south:deployer" in output_of(run)
    assert NORTH in output_of(run)
    assert "late" not in {user["name"] for user in cluster.headscale("vpn", NORTH, "users", "list")}


def test_destroy_reaches_every_cluster(stack, cluster):
    stack.up()
    stack.destroy()

    for namespace in PLACES.values():
        assert cluster.names("statefulset,pod", namespace) == set()
        assert not cluster.exists("secret", "declared-key", namespace)
