"""The programs to copy: each declares what it says, with Pulumi's mocks and the settings of its project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[2]
PROGRAM = """
import json
import sys
import pulumi

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        sys.stdout.write(f"{args.typ.rpartition(':')[2]} {args.name}\\n") # in one piece: threads write at once
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args):
        raise AssertionError(args.token)

text, project, settings = sys.argv[1:]
pulumi.runtime.set_mocks(Mocks(), project=project)
pulumi.runtime.set_all_config(json.loads(settings))

@pulumi.runtime.test
def declare():
    exec(text, {})

declare()
"""
DECLARED = {
    "examples/runners": {"Headscale runners", "User runners-build", "PreAuthKey runners-release-runners"},
    "examples/users_and_keys": {
        "User vpn-alice",
        "PreAuthKey vpn-alice-laptop",
        "PreAuthKey vpn-runners",
        "PreAuthKey vpn-server",
        "ApiKey vpn-headplane-api-key",
    },
    "examples/policy": {"User vpn-bob", "PreAuthKey vpn-router", "Policy vpn-policy"},
    "templates/python": {"User vpn-alice", "PreAuthKey vpn-laptop"},
}
ASKED = {"templates/python": {"vpn:serverUrl": "https://vpn.example.com"}}
"""What `pulumi new` asks for and has no default."""


def settings_of(folder, project):
    """Return the settings of a project: those with a default, and what is asked for."""
    document = yaml.safe_load((TOP / folder / "Pulumi.yaml").read_text())
    template = {f"{project}:{name}": value for name, value in document.get("template", {}).get("config", {}).items()}
    written = {**document.get("config", {}), **template}
    return {name: value["default"] for name, value in written.items() if "default" in value} | ASKED.get(folder, {})


@pytest.mark.parametrize(("folder", "declared"), DECLARED.items(), ids=DECLARED)
def test_program_to_copy_declares_its_resources(folder, declared):
    text = (TOP / folder / "__main__.py").read_text()
    name = yaml.safe_load((TOP / folder / "Pulumi.yaml").read_text())["name"]
    project = "vpn" if name == "${PROJECT}" else name
    command = [sys.executable, "-c", PROGRAM, text, project, json.dumps(settings_of(folder, project))]
    run = subprocess.run(command, cwd=TOP, text=True, capture_output=True, check=False)

    assert run.returncode == 0, run.stderr
    assert declared <= set(run.stdout.splitlines())


def test_every_program_to_copy_is_run():
    found = {
        str(path.parent.relative_to(TOP)) for name in ("examples", "templates") for path in TOP.glob(f"{name}/*/*.py")
    }

    assert found == set(DECLARED)
