"""The programs to copy: each declares what it says, with Pulumi's mocks and the settings of its project."""

from pathlib import Path

import pytest
import yaml

from tests import mocked_program

TOP = Path(__file__).parents[2]
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

    found = mocked_program.declared(text, project, settings_of(folder, project))

    assert declared <= {line.rpartition(":")[2] for line in found}


def test_every_program_to_copy_is_run():
    found = {
        str(path.parent.relative_to(TOP)) for name in ("examples", "templates") for path in TOP.glob(f"{name}/*/*.py")
    }

    assert found == set(DECLARED)
