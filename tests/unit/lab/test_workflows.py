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
