"""The real engine, a real cluster, real nodes: the lab that `make up` started, or the cluster of KUBECONFIG."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from lab import pulumi as lab_pulumi
from lab import tools, versions
from lab.state import kubeconfig, kubeconfig_files

REPOSITORY = Path(__file__).parents[2]
STORAGE_CLASS = os.environ.get("TEST_STORAGE_CLASS")
"""The class of the claims; None for the cluster's default, which waits for the first consumer in the lab."""
LONGEST_SECONDS = 300
"""No command of Pulumi's may take longer: a command that waits for a timeout of the provider fails."""


def pytest_report_header():
    """Print the versions in use at the top of a run."""
    return versions.lines()


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)
    # Its last command removes the lab.
    items.sort(key=lambda item: item.path == here / "test_readme.py")


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """The environment variables of pulumi and kubectl: the lab's tools, and a backend of this test run alone."""
    assert any(path.exists() for path in kubeconfig_files()), (
        "there is no cluster: run `make up`, or `python -m lab prepare`"
    )
    backend = tmp_path_factory.mktemp("backend")
    return {
        **os.environ,
        **lab_pulumi.environment(),
        "KUBECONFIG": str(kubeconfig()),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test run",
        "PYTHONPATH": str(REPOSITORY),
        "NO_COLOR": "1",
    }


@dataclass
class Cluster:
    environment: dict

    def apply(self, *documents):
        """Apply objects server-side, taking over fields of other managers."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=document)

    def kubectl(self, *arguments, check=True, stdin=None):
        command = [str(tools.path("kubectl")), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False, input=stdin)
        assert not check or run.returncode == 0, f"{' '.join(arguments)}:\n{run.stderr}"
        return run.stdout

    def get(self, kind, name, namespace):
        return json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))

    def exists(self, kind, name, namespace):
        return bool(self.kubectl("get", kind, name, "-n", namespace, "-o", "name", "--ignore-not-found").strip())

    def names(self, kind, namespace):
        return set(self.kubectl("get", kind, "-n", namespace, "-o", "name").split())

    def kubeconfig(self):
        """Return the kubeconfig in use, with certificates instead of paths."""
        return json.loads(self.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))

    def as_account(self, name, namespace, rules):
        """Return a kubeconfig of a ServiceAccount that has these rights in its namespace and no others."""
        metadata = {"name": name, "namespace": namespace}
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {**rbac, "kind": "Role", "rules": rules},
            {**rbac, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]},
        )
        document = self.kubeconfig()
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=1h").strip()
        document["users"] = [{"name": name, "user": {"token": token}}]
        document["contexts"][0]["context"] |= {"user": name, "namespace": namespace}
        return document

    def secret(self, name, namespace):
        data = self.get("secret", name, namespace).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def headscale(self, instance, namespace, *arguments):
        """Run headscale's own command line in the pod, and return its JSON output."""
        out = self.kubectl(
            "exec", f"{instance}-0", "-n", namespace, "-c", "headscale", "--", "headscale", *arguments, "-o", "json"
        )
        return json.loads(out) if out.strip() else None


@pytest.fixture(scope="session")
def cluster(environment):
    return Cluster(environment)


@dataclass
class Stack:
    """One Pulumi stack and the commands that users run on it."""

    directory: Path
    environment: dict
    name: str
    command_outputs: list = field(default_factory=list)
    durations: list = field(default_factory=list)

    @classmethod
    def of_repository(cls, directory, environment, name):
        """Return a stack of this repository's program."""
        project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
        project["runtime"]["options"]["virtualenv"] = str(Path(sys.prefix))
        (directory / "stacks").mkdir(parents=True)
        (directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        shutil.copy(REPOSITORY / "__main__.py", directory)
        return cls.of(directory, environment, name)

    @classmethod
    def of(cls, directory, environment, name):
        """Return a new stack of the project in a folder."""
        stack = cls(directory, environment, name)
        stack.pulumi("stack", "init", name)
        return stack

    @property
    def file(self):
        return self.directory / "stacks" / f"Pulumi.{self.name}.yaml"

    def declare(self, **instances):
        """Write the stack file, keeping the keys that pulumi wrote itself."""
        kept = yaml.safe_load(self.file.read_text()) if self.file.exists() else {}
        config = {"kubernetes:upsertExistingObjects": True, "headscale:instances": instances}
        self.file.write_text(yaml.safe_dump({**(kept or {}), "config": config}))

    def pulumi(self, *arguments, check=True, **environment):
        started = time.monotonic()
        run = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
        )
        self.command_outputs.append(run.stdout + run.stderr)
        self.durations.append((arguments[0], round(time.monotonic() - started, 1)))
        assert not check or run.returncode == 0, f"pulumi {' '.join(arguments)}:\n{run.stdout}\n{run.stderr}"
        return run

    def up(self, *arguments, **options):
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", self.name, *arguments, **options)

    def preview(self, *arguments, **options):
        return self.pulumi("preview", "--stack", self.name, *arguments, **options)

    def refresh(self, *arguments, **options):
        return self.pulumi("refresh", "--yes", "--skip-preview", "--stack", self.name, *arguments, **options)

    def destroy(self, **options):
        return self.pulumi("destroy", "--yes", "--skip-preview", "--stack", self.name, **options)

    def planned(self, *arguments, **options):
        """Return what a preview would do, as sets of (operation, name), without what stays the same."""
        run = self.preview("--json", *arguments, **options)
        steps = json.loads(run.stdout)["steps"]
        return {(step["op"], step["urn"].rpartition("::")[2]) for step in steps if step["op"] != "same"}

    def plan(self, *arguments, **options):
        """Return what a preview would do, as sets of `type::name` by operation, without what stays the same."""
        steps = json.loads(self.preview("--json", *arguments, **options).stdout)["steps"]
        found = {}
        for step in steps:
            if step["op"] not in {"same", "read", "refresh"}:
                found.setdefault(step["op"], set()).add(type_and_name(step["urn"]))
        return found

    def output(self, name):
        return json.loads(self.pulumi("stack", "output", name, "--json", "--stack", self.name).stdout)

    def export(self):
        return json.loads(self.pulumi("stack", "export", "--stack", self.name).stdout)

    def killed_up(self, after_seconds):
        """Start an update and kill the engine and all that it started, by SIGKILL."""
        process = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", self.name, "--non-interactive"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(after_seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.pulumi("cancel", "--yes", self.name, check=False)


def type_and_name(urn):
    """Return the last two parts of a URN, without the types of its parents."""
    *_, types, name = urn.split("::")
    return f"{types.rpartition('$')[2]}::{name}"


def output_of(run):
    return run.stdout + run.stderr


def errors(run):
    """Return the errors of a run, without the lines that every failed update ends with."""
    lines = (line.strip() for line in output_of(run).splitlines())
    return [line for line in lines if line.startswith("error: ") and line not in _FINAL_LINES]


_FINAL_LINES = {
    "error: update failed",
    "error: preview failed",
    "error: Resource monitor has terminated, shutting down",
}


@pytest.fixture(scope="module")
def make_stack(tmp_path_factory, environment, cluster):
    """Create stacks that are destroyed when the module is done, with their namespaces."""
    created = []

    def make(*namespaces):
        for namespace in namespaces:
            # What an interrupted test run left behind is in no state.
            cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")
        stack = Stack.of_repository(tmp_path_factory.mktemp("project"), environment, "-".join(namespaces))
        created.append((stack, namespaces))
        return stack

    yield make
    for stack, namespaces in created:
        stack.destroy(check=False)
        for namespace in namespaces:
            cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def unreachable_kubeconfig(tmp_path):
    """A kubeconfig whose cluster is unreachable."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9'}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {token: none}}]\n"
    )
    return path


def an_instance(namespace, config=None, **changes):
    """Return the smallest instance that runs with no internet."""
    return {
        "namespace": namespace,
        "createNamespace": True,
        "namespaceLabels": {"pod-security.kubernetes.io/enforce": "restricted"},
        "version": "v0.28.0",
        "config": {
            "server_url": "http://vpn.headscale.local",
            "derp": {"urls": [], "server": {"enabled": True}},
            "ephemeral_node_inactivity_timeout": "70s",
            **(config or {}),
        },
        "persistentVolumeClaim": {"size": "128Mi", **({"storageClassName": STORAGE_CLASS} if STORAGE_CLASS else {})},
        **changes,
    }


def eventually(what, condition, seconds=60):
    """Wait until a condition holds, and fail with its name after a timeout."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.5)
    return found
