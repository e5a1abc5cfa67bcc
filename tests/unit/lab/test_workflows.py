"""The workflows of the repository: rights, and what a pull request without secrets meets."""

import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[3] / ".github" / "workflows").iterdir())


def loaded(name):
    return next(yaml.safe_load(file.read_text()) for file in WORKFLOWS if file.stem == name)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_write_nothing_by_default(file):
    assert set(yaml.safe_load(file.read_text())["permissions"].values()) <= {"read"}


@pytest.mark.parametrize(
    ("secrets", "output"),
    [
        ({"TOKEN": "", "BACKEND": ""}, ""),
        ({"TOKEN": "pul-1", "BACKEND": ""}, "configured=true\n"),
        ({"TOKEN": "", "BACKEND": "s3://states"}, "configured=true\n"),
    ],
    ids=["none", "token", "backend"],
)
def test_a_preview_is_skipped_without_a_backend(tmp_path, secrets, output):
    jobs = loaded("preview")["jobs"]
    (look,) = jobs["backend"]["steps"]
    written = tmp_path / "output"
    written.touch()

    command = ["bash", "-e", "-c", look["run"]]
    subprocess.run(command, env={**secrets, "GITHUB_OUTPUT": str(written)}, check=True, capture_output=True)

    assert set(look["env"]) == set(secrets)
    assert written.read_text() == output
    assert jobs["preview"]["needs"] == "backend"
    assert jobs["preview"]["if"] == "needs.backend.outputs.configured == 'true'"


def test_unit_tests_run_on_every_supported_python():
    project = tomllib.loads((WORKFLOWS[0].parents[2] / "pyproject.toml").read_text())["project"]
    versions = loaded("unit")["jobs"]["unit"]["strategy"]["matrix"]["python"]

    assert project["requires-python"] == f">={versions[0]}"
    assert versions == [f"3.{minor}" for minor in range(11, 15)]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_job_has_a_timeout(file):
    assert all(job["timeout-minutes"] for job in yaml.safe_load(file.read_text())["jobs"].values())


def test_workflows_use_one_version_of_an_action():
    used = {
        tuple(step["uses"].split("@"))
        for other in WORKFLOWS
        for job in yaml.safe_load(other.read_text())["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    }

    assert len(dict(used)) == len(used)


def test_slow_suite_runs_every_night():
    nightly = loaded("nightly")
    (job,) = nightly["jobs"].values()

    # YAML 1.1 reads the key `on` as true.
    assert nightly[True].keys() == {"schedule", "workflow_dispatch"}
    assert any("make test-full" in step.get("run", "") for step in job["steps"])
