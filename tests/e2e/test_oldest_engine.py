"""The quick start on the oldest engine that the project's dependencies allow."""

import subprocess

import pytest

from lab import pulumi as lab_pulumi
from lab import tools

from .conftest import Stack, an_instance

NAMESPACE = "e2e-oldest-engine"


@pytest.fixture(scope="module")
def stack(tmp_path_factory, environment, cluster):
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    path = lab_pulumi.environment(tools.OLDEST_PULUMI)["PATH"]
    stack = Stack.of_repository(tmp_path_factory.mktemp("project"), {**environment, "PATH": path}, NAMESPACE)
    yield stack
    stack.destroy(check=False)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def test_oldest_engine_runs_the_quick_start(stack, cluster):
    version = subprocess.run(["pulumi", "version"], env=stack.environment, capture_output=True, text=True, check=True)
    users, keys = {"alice": {}}, {"laptop": {"user": "alice", "expiration": "24h"}}
    stack.declare(vpn=an_instance(NAMESPACE, users=users, preAuthKeys=keys))
    stack.up()
    stack.preview("--expect-no-changes")
    first = cluster.secret("laptop", NAMESPACE)["key"]
    stack.declare(vpn=an_instance(NAMESPACE, users={**users, "bob": {}}, preAuthKeys=keys))
    stack.up()
    stack.refresh("--expect-no-changes")

    assert version.stdout.strip() == tools.OLDEST_PULUMI.version
    assert {user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")} == {"alice", "bob"}
    assert cluster.secret("laptop", NAMESPACE)["key"] == first


def test_oldest_engine_destroys_all_but_the_pvc(stack, cluster):
    stack.destroy()

    assert cluster.names("statefulset,service,secret", NAMESPACE) == set()
    assert cluster.names("persistentvolumeclaim", NAMESPACE) == {"persistentvolumeclaim/data-vpn-0"}
