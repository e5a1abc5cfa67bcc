"""`pulumi install` on a fresh clone, with pip as the official toolchain runs it."""

import shutil
import subprocess

import pytest

from lab.pulumi import PASSPHRASE
from lab.tools import KUBERNETES_PROVIDER, PULUMI
from tests.integration.engine.conftest import REPOSITORY, Project

pytestmark = pytest.mark.parametrize("version", [PULUMI], indirect=True, ids=[PULUMI.version])


@pytest.fixture
def clone(tmp_path, environment):
    """A new clone of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            target = tmp_path / "clone" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target)
    return Project(tmp_path / "clone", {**environment, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE})


def test_installed_clone_previews_a_stack(clone, engine):
    # From a file, where Pulumi would fetch it from the internet: an install looks for plugins in its own folder alone.
    provider = ["kubernetes", KUBERNETES_PROVIDER.version.partition("+")[0]]
    clone.pulumi("plugin", "install", "resource", *provider, "--file", f"{engine}/pulumi-resource-kubernetes")

    output = clone.pulumi("install").stdout
    python = clone.folder / ".venv" / "bin" / "python"
    installed = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout

    assert "Successfully installed" in output
    assert "pytest" not in installed
    clone.pulumi("stack", "init", "lab")
    assert "Headscale" in clone.pulumi("preview").stdout


def test_update_of_clone_installs_first(clone):
    clone.pulumi("stack", "init", "lab")

    assert "Headscale" in clone.pulumi("preview").stdout
    assert (clone.folder / ".venv" / "bin" / "python").exists()
