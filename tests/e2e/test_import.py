"""Another program, with the component from the wheel in a virtual environment of its own."""

import shutil
import subprocess
import sys

import pytest
import yaml

from .conftest import REPOSITORY, Stack

NAMESPACE = "e2e-import"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a fresh virtual environment with the built wheel, and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "-o", folder, REPOSITORY], check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    fresh = folder / "venv" / "bin" / "python"
    constraints = folder / "constraints.txt"
    lock = (REPOSITORY / "requirements.lock").read_text().splitlines()
    constraints.write_text("\n".join(line.split()[0] for line in lock if "==" in line and line[0].isalpha()))
    command = [fresh, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return fresh


def test_example_deploys_with_users_and_keys(python, tmp_path, environment, cluster):
    project = tmp_path / "runners"
    shutil.copytree(REPOSITORY / "examples" / "runners", project)
    description = yaml.safe_load((project / "Pulumi.yaml").read_text())
    description["runtime"]["options"]["virtualenv"] = str(python.parent.parent)
    (project / "Pulumi.yaml").write_text(yaml.safe_dump(description))
    without_checkout = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    stack = Stack.of(project, without_checkout, "example")
    try:
        stack.pulumi("config", "set", "namespace", NAMESPACE)
        stack.up()
        users = {user["name"]: user for user in cluster.headscale("runners", NAMESPACE, "users", "list")}
        keys = {name: cluster.secret(name, NAMESPACE)["key"] for name in ("build-runners", "release-runners")}
        stack.preview("--expect-no-changes")
    finally:
        stack.destroy(check=False)
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")

    assert users["build"]["display_name"] == "The build team"
    assert len(set(keys.values())) == 2
