"""Quick start, change, refresh and destroy with no language host: an inline program of the Automation API.

The SDK's own language server runs this repository's `__main__.py`; engine, Kubernetes provider and dynamic provider
are those of the other tests.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import pulumi as lab_pulumi

from .conftest import REPOSITORY, an_instance

NAMESPACE = "e2e-automation-api"
USERS = {"alice": {"displayName": "Alice Smith"}}
KEYS = {"laptop": {"user": "alice", "expiration": "24h"}}


def declared(**changes):
    return {"vpn": an_instance(NAMESPACE, **{"users": USERS, "preAuthKeys": KEYS, **changes})}


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack(NAMESPACE)


@pytest.fixture(scope="module")
def run(stack):
    """Run a command on the stack by the Automation API, and return the number of resources by operation."""
    programs = lab_pulumi.environment(language_host=False)
    folders = (programs.get("PATH") or os.environ["PATH"]).split(":")
    path = ":".join(folder for folder in folders if not Path(folder, "pulumi-language-python").exists())
    # An installed release has its language host beside the engine: without that folder there is no engine either.
    path = path if shutil.which("pulumi", path=path) else ":".join(folders)
    environment = {**stack.environment, "PATH": path, "PULUMI_PYTHON_CMD": sys.executable}

    def run(command):
        driver = [
            sys.executable,
            str(REPOSITORY / "tests" / "automation.py"),
            str(stack.directory),
            stack.name,
            command,
        ]
        done = subprocess.run(driver, env=environment, capture_output=True, text=True, check=False)
        stack.command_outputs.append(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_quick_start_creates_user_and_key(stack, run, cluster):
    stack.declare(**declared())

    assert set(run("preview")) == {"create"}
    assert set(run("up")) == {"create"}

    (alice,) = cluster.headscale("vpn", NAMESPACE, "users", "list")
    assert (alice["name"], alice["display_name"]) == ("alice", "Alice Smith")
    assert stack.output("vpn")["users"] == {"alice": str(alice["id"])}
    assert cluster.secret("laptop", NAMESPACE)["key"]


def test_second_up_has_no_changes(run):
    assert set(run("up")) == {"same"}


def test_changed_declaration_creates_only_the_added(stack, run, cluster):
    before = cluster.secret("laptop", NAMESPACE)["key"]
    changed = {"laptop": {**KEYS["laptop"], "expiration": "48h"}}
    stack.declare(**declared(users={**USERS, "bob": {}}, preAuthKeys=changed))

    changes = run("up")

    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"create": 1, "replace": 1}
    assert {user["name"] for user in cluster.headscale("vpn", NAMESPACE, "users", "list")} == {"alice", "bob"}
    assert cluster.secret("laptop", NAMESPACE)["key"] != before


def test_refresh_after_up_shows_no_drift(run):
    assert set(run("refresh")) == {"same"}
    assert set(run("preview")) == {"same"}


def test_destroy_leaves_no_user_or_secret(run, cluster):
    assert set(run("destroy")) == {"delete"}

    assert not cluster.exists("statefulset", "vpn", NAMESPACE)
    assert not cluster.exists("secret", "laptop", NAMESPACE)
