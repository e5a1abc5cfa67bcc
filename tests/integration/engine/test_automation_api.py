"""Programs with no language host on PATH: an inline program of the Automation API, and dynamic providers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.engine.conftest import REPOSITORY, programs

PROVIDERS = """
from pulumi import dynamic


class Provider(dynamic.ResourceProvider):
    serialize_as_secret_always = False

    def diff(self, _id, olds, news):
        return dynamic.DiffResult(changes=olds["text"] != news["text"])

    def create(self, props):
        return dynamic.CreateResult("one", {"text": props["text"]})

    def update(self, _id, _olds, news):
        return dynamic.UpdateResult({"text": news["text"]})


class Note(dynamic.Resource, module="notes", name="Note"):
    def __init__(self, name, text):
        super().__init__(Provider(), name, {"text": text})
"""
PROGRAM = "from notes import Note\n\nNote('note', {text!r})\n"


@pytest.fixture
def run(project, tmp_path, environment, version):
    """Run a command of the Automation API on the project, and return the number of resources by operation."""
    folders = [programs(tmp_path / "bin", version, language_host=False), *map(Path, os.environ["PATH"].split(":"))]
    project.environment = {
        **environment,
        "PATH": ":".join(str(each) for each in folders if not (each / "pulumi-language-python").exists()),
        "PULUMI_PYTHON_CMD": sys.executable,
        "PYTHONPATH": f"{project.folder}:{REPOSITORY}",
    }

    def run(command):
        driver = [sys.executable, str(REPOSITORY / "tests" / "automation.py"), str(project.folder), "dev", command]
        done = subprocess.run(driver, env=project.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_dynamic_resources_work_without_language_host(project, run):
    project.write(PROGRAM.format(text="first"))
    (project.folder / "notes.py").write_text(PROVIDERS)

    assert run("preview") == {"create": 2}
    assert run("up") == {"create": 2}
    (project.folder / "__main__.py").write_text(PROGRAM.format(text="second"))
    assert run("preview") == {"same": 1, "update": 1}
    assert run("up") == {"same": 1, "update": 1}
    assert run("refresh") == {"same": 2}
    assert run("destroy") == {"delete": 2}


def test_component_preview_works_without_language_host(project, run):
    project.write((REPOSITORY / "__main__.py").read_text(), name="headscale")
    stack = project.folder / "Pulumi.dev.yaml"
    instances = {
        "vpn": {
            "namespace": "vpn",
            "version": "v0.28.0",
            "config": {"server_url": "http://vpn.example.com"},
            "users": {"alice": {}},
            "preAuthKeys": {"laptop": {"user": "alice", "expiration": "24h"}},
        }
    }
    stack.write_text(stack.read_text() + yaml.safe_dump({"config": {"headscale:instances": instances}}))

    assert run("preview")["create"] > 10


def test_plain_commands_name_the_missing_language_host(project, run):
    project.write("")

    done = project.pulumi("preview", check=False)

    assert done.returncode != 0
    assert "no language plugin 'pulumi-language-python' found" in done.stdout + done.stderr
