"""requirements.txt, which `pulumi install` reads, is the lock without what only development needs."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def pinned(file):
    """Return the hashes of each package of a requirements file, by name and version."""
    found = {}
    for line in (REPOSITORY / file).read_text().splitlines():
        if package := re.match(r"[a-z0-9-]+==[^ ;]+", line):
            hashes = found.setdefault(package.group(), set())
        elif line.lstrip().startswith("--hash="):
            hashes.add(line.strip(" \\"))
    return found


def names(requirements):
    return {re.match(r"[a-z0-9-]+", each).group() for each in requirements}


def test_requirements_match_versions_and_hashes_of_lock():
    lock, requirements = pinned("requirements.lock"), pinned("requirements.txt")

    assert requirements
    assert requirements == {package: lock.get(package) for package in requirements}


def test_requirements_hold_run_time_dependencies_and_no_tools():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    requirements = names(pinned("requirements.txt"))

    assert names(project["project"]["dependencies"]) <= requirements
    assert not names(project["dependency-groups"]["dev"]) & requirements


def test_lock_has_kubernetes_release_of_lab():
    """The SDK and the provider are released together, and the lab's provider is what was tested."""
    from lab.tools import KUBERNETES_PROVIDER

    assert f"pulumi-kubernetes=={KUBERNETES_PROVIDER.version.partition('+')[0]}" in pinned("requirements.lock")
