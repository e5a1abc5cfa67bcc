"""The real engine on programs of a few lines, with a backend and a home of each test's own; no cluster."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab import tools
from lab.launchers import write_launchers

REPOSITORY = Path(__file__).parents[3]


def programs(folder, version, **options):
    """Fill a folder with an engine and its plugins, and return it."""
    provider = tools.path("pulumi-resource-kubernetes")
    write_launchers(folder, engine=tools.path(version.name), kubernetes_provider=provider, **options)
    return folder


@pytest.fixture(scope="session", params=[tools.PULUMI, tools.OLDEST_PULUMI], ids=lambda version: version.version)
def version(request):
    """The newest engine and the oldest that the dependencies allow."""
    return request.param


@pytest.fixture(scope="session")
def engine(tmp_path_factory, version):
    """The folder with the engine, the lab's language host among its plugins."""
    return programs(tmp_path_factory.mktemp("bin"), version)


@pytest.fixture
def environment(tmp_path, engine):
    """The environment variables of a user who has an engine and no cluster."""
    (tmp_path / "state").mkdir()
    return {
        **os.environ,
        "PATH": f"{engine}:{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "KUBECONFIG": str(tmp_path / "no-kubeconfig"),
        "NO_COLOR": "1",
    }


@dataclass
class Project:
    """A Pulumi project in a folder, and its stack."""

    folder: Path
    environment: dict

    def write(self, program, **description):
        """Write the program and Pulumi.yaml, and create the stack `dev`."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "__main__.py").write_text(program)
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        project = {"name": "tried", "runtime": runtime, **description}
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        self.pulumi("stack", "init", "dev")
        return self

    def pulumi(self, *arguments, check=True, **environment):
        run = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or run.returncode == 0, f"pulumi {' '.join(arguments)}:\n{run.stdout}\n{run.stderr}"
        return run

    def outputs(self):
        """Return the outputs of an update with `--skip-preview`."""
        self.pulumi("up", "--yes", "--skip-preview")
        return yaml.safe_load(self.pulumi("stack", "output", "--json").stdout)


@pytest.fixture
def project(tmp_path, environment):
    return Project(tmp_path / "project", environment)
