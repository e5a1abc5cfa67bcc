"""200 users, 200 preauth keys and their Secrets, against the floors: bare API calls, and the engine alone."""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from headscale_component.stack_file import load_file, read
from lab import pulumi, tools, versions
from lab.progress import say
from lab.state import kubeconfig
from tests.bench.targets import missed, table
from tests.e2e.conftest import REPOSITORY, Cluster, Stack, an_instance
from tests.integration.conftest import running

COUNT = 200
MANY = 1000
_IDLE_PROGRAM = """
import idle
import pulumi
from dynamic_providers.connection import ConnectionArgs, HeadscaleConnection
from dynamic_providers.pre_auth_key import PreAuthKey
from dynamic_providers.user import User

vpn = pulumi.ComponentResource("headscale:index:Headscale", "vpn")
connection = HeadscaleConnection("vpn-connection", ConnectionArgs(instance="vpn", namespace="bench"))
options = pulumi.ResourceOptions(parent=vpn, provider=connection)
for number in range({count}):
    user = User(f"vpn-user-{{number}}", username=f"user-{{number}}", opts=options)
    PreAuthKey(
        f"vpn-user-{{number}}-key",
        namespace="bench",
        secret_name=f"user-{{number}}-key",
        user_id=user.id,
        expiration="24h",
        opts=options,
    )
"""
_IDLE_PROVIDERS = """
from itertools import count
from pulumi.dynamic import CreateResult
from dynamic_providers import pre_auth_key, user

ids = count(1)
TIME = "2026-11-24T12:00:00.123456+00:00"

class IdleUser(user.UserProvider):
    def create(self, props):
        number = str(next(ids))
        return CreateResult(number, {**props, "user_id": number, "created_at": TIME})

class IdlePreAuthKey(pre_auth_key.PreAuthKeyProvider):
    def create(self, props):
        number = str(next(ids))
        return CreateResult(number, {**props, "key": "k" * 88, "expires_at": TIME})

user.UserProvider, pre_auth_key.PreAuthKeyProvider = IdleUser, IdlePreAuthKey
"""


def main() -> None:
    """Measure everything once, print a table, write build/bench.json; with `--many` for a thousand too.

    `missed` in the file lists the figures that are above their targets.
    """
    environment = {
        **os.environ,
        **pulumi.environment(),
        "KUBECONFIG": str(kubeconfig()),
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PYTHONPATH": str(REPOSITORY),
    }
    say(pulumi.describe())
    say("measuring; 200 of each take about 2 min, 1,000 of each a quarter of an hour more")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "backend").mkdir()
        environment["PULUMI_BACKEND_URL"] = f"file://{home / 'backend'}"
        results: dict[str, Any] = {"provider": versions.provider(), "bulk_floor_s": bare_calls(home)}
        results["engine_floor_s"] = engine_alone(home, environment)
        results |= whole_stack(home, environment) | command_line(home)
        if "--many" in sys.argv:
            results |= many(home, environment)
            results["growth"] = growth(results)
    results["missed"] = missed(results)
    target = REPOSITORY / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(*table(results), sep="\n")


def bare_calls(home: Path, count: int = COUNT) -> float:
    """Create as many users and keys by bare calls on Headscale's socket."""
    say(f"  {count} users and keys by bare calls …")
    folder = home / f"bare-{count}"
    folder.mkdir()
    with running("0.28", folder) as server, server.client() as client:
        client.list_users()
        started = time.monotonic()
        for number in range(count):
            user = client.create_user(f"user-{number}")
            client.create_pre_auth_key(user_id=user.id, expiration=datetime.now(UTC) + timedelta(hours=24))
        return time.monotonic() - started


def engine_alone(home: Path, environment: dict[str, str], count: int = COUNT) -> float:
    """Create as many users and keys whose providers make no call: the engine's time for the same state."""
    say(f"  {count} users and keys by the engine alone …")
    project = home / f"idle-{count}"
    project.mkdir()
    options = {"virtualenv": sys.prefix}
    description = {"name": "headscale", "runtime": {"name": "python", "options": options}}
    (project / "Pulumi.yaml").write_text(yaml.safe_dump(description))
    (project / "__main__.py").write_text(_IDLE_PROGRAM.format(count=count))
    (project / "idle.py").write_text(_IDLE_PROVIDERS)
    # The resources are in the state only, which is deleted with its folder.
    return timed(Stack.of(project, environment, f"idle-{count}").up)


def whole_stack(home: Path, environment: dict[str, str]) -> dict[str, float]:
    """Create them by the component, add one more, refresh, destroy."""
    say(f"  {COUNT} of each on the cluster …")
    cluster = Cluster(environment)
    stack = Stack.of_repository(home / "whole", environment, "bench")
    stack.declare(vpn=an_instance("bench"))
    stack.up()
    results = {}
    try:
        stack.declare(vpn=with_users(COUNT, "bench"))
        results["bulk_up_s"] = timed(stack.up)
        stack.declare(vpn=with_users(COUNT + 1, "bench"))
        results["add_one_up_s"] = timed(stack.up)
        results["noop_preview_s"] = timed(lambda: stack.preview("--expect-no-changes"))
        results["noop_up_s"] = timed(lambda: stack.up("--expect-no-changes"))
        results["noop_refresh_s"] = timed(lambda: stack.refresh("--expect-no-changes"))
        results["sidecar_rss_mb"] = sidecar_rss(cluster, "bench")
    finally:
        results["destroy_s"] = timed(stack.destroy)
        cluster.kubectl("delete", "namespace", "bench", "--wait=false")
    return results


def many(home: Path, environment: dict[str, str]) -> dict[str, float]:
    """Create and refresh a thousand users and a thousand keys; with the engine's time alone for as many."""
    say(f"  {MANY} of each on the cluster …")
    cluster = Cluster(environment)
    stack = Stack.of_repository(home / "many", environment, "many")
    stack.declare(vpn=an_instance("bench-many"))
    stack.up()
    results = {"many_floor_s": bare_calls(home, MANY), "many_engine_floor_s": engine_alone(home, environment, MANY)}
    try:
        stack.declare(vpn=with_users(MANY, "bench-many"))
        results["many_up_s"] = timed(stack.up)
        results["many_refresh_s"] = timed(lambda: stack.refresh("--expect-no-changes"))
    finally:
        results["many_destroy_s"] = timed(stack.destroy)
        cluster.kubectl("delete", "namespace", "bench-many", "--wait=false")
    return results


def growth(results: dict[str, float]) -> float:
    """Return how much longer each of a thousand takes than each of 200."""
    return results["many_up_s"] / MANY / (results["bulk_up_s"] / COUNT)


def command_line(home: Path) -> dict[str, float]:
    """Check and render fifty instances as whole commands, check a large one, and load the specification alone.

    Beside them what cannot be less: libraries that are loaded alone, and the same file read alone.
    """
    say("  the command line …")
    many = {f"vpn-{number}": with_users(10, f"n-{number}") for number in range(50)}
    file = home / "fifty.yaml"
    file.write_text(yaml.safe_dump({"config": {"headscale:instances": many}}))
    command = [sys.executable, "-m", "headscale_component"]
    load = [sys.executable, "-c", "import headscale_component.spec"]
    libraries = [sys.executable, "-c", "import pydantic, yaml"]
    nothing = [sys.executable, "-c", ""]
    large = home / "large.yaml"
    large.write_text(yaml.safe_dump({"config": {"headscale:instances": {"vpn": large_instance()}}}))

    def run(command: list) -> None:
        subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)

    empty_s = timed(lambda: run(nothing))
    stack = read(large)
    return {
        "validate_fifty_s": timed(lambda: run([*command, "validate", file])),
        "render_fifty_s": timed(lambda: run([*command, "render", file])),
        "import_floor_s": timed(lambda: run(libraries)) - empty_s,
        "import_spec_s": timed(lambda: run(load)) - empty_s,
        "check_large_floor_s": timed(lambda: yaml.safe_load(large.read_text())),
        "check_large_s": timed(lambda: load_file(stack)),
    }


def large_instance(count: int = 2000, groups: int = 200) -> dict:
    """Return an instance with so many users, keys, and groups that a policy names."""
    people = {f"group:g-{number}": [f"user-{one}@" for one in range(number, count, groups)] for number in range(groups)}
    rules = [{"action": "accept", "src": [group], "dst": ["*:22"]} for group in people]
    return {**with_users(count, "large"), "policy": {"groups": people, "acls": rules}}


def with_users(count: int, namespace: str) -> dict:
    """Return an instance with so many users, each with a key."""
    users = {f"user-{number}": {} for number in range(count)}
    keys = {f"{name}-key": {"user": name, "expiration": "24h"} for name in users}
    return an_instance(namespace, users=users, preAuthKeys=keys)


def sidecar_rss(cluster: Cluster, namespace: str) -> float:
    """Return the memory that the running sidecar reports in its metrics, in MB of a million bytes."""
    program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8081/metrics').read().decode())"
    metrics = cluster.kubectl("exec", "vpn-0", "-n", namespace, "-c", "apikey-manager", "--", "python3", "-c", program)
    line = next(line for line in metrics.splitlines() if line.startswith("process_resident_memory_bytes"))
    return int(line.split()[1]) / 1e6


def timed(action) -> float:
    """Return how long something takes, as a whole command."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


if __name__ == "__main__":
    tools.path("pulumi")
    sys.exit(main())
