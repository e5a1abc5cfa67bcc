"""The workflows of the repository: rights, and what a pull request without secrets meets."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[3]
PREVIEW = TOP / "examples" / "ci-preview" / "preview.yaml"
WORKFLOWS = [*sorted((TOP / ".github" / "workflows").iterdir()), PREVIEW]
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


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
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
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


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_by_hash(file):
    lines = [line for line in file.read_text().splitlines() if "uses:" in line]

    assert all(PINNED.fullmatch(line.split("uses:")[1].split()[0]) for line in lines)
    assert all("# v" in line for line in lines)


def test_preview_is_copied_and_not_run_here():
    assert not (TOP / ".github" / "workflows" / PREVIEW.name).exists()


def test_release_pins_image_before_it_builds_wheel():
    jobs = loaded("release")["jobs"]
    runs = [step["run"] for step in jobs["wheel"]["steps"] if "run" in step]
    verbs = [found[1] for run in runs if (found := re.search(r"tools\.release (\w+)", run))]

    assert jobs["wheel"]["needs"] == "image"
    assert verbs == ["pin", "build"]
    assert loaded("release")["permissions"] == {}


def test_release_image_has_sbom_and_provenance():
    steps = loaded("release")["jobs"]["image"]["steps"]
    (build,) = (step["with"] for step in steps if "build-push-action" in step.get("uses", ""))

    assert build["sbom"] is True
    assert build["provenance"] == "mode=max"
    assert build["platforms"] == "linux/amd64,linux/arm64"


def test_slow_suite_runs_every_night():
    nightly = loaded("nightly")
    (job,) = nightly["jobs"].values()

    # YAML 1.1 reads the key `on` as true.
    assert nightly[True].keys() == {"schedule", "workflow_dispatch"}
    assert any("make test-full" in step.get("run", "") for step in job["steps"])
