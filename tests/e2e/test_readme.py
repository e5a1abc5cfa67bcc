"""Every command of the README and of docs/, as a new user would run it; the last one removes the lab.

The README's `make up` comes first. Blocks of `bash` are not run here: a comment above each says why, and
`tests/unit/test_documentation.py` holds that it is there.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from lab import stack
from lab.progress import LabError
from lab.state import own_cluster

from .conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
]
ELSEWHERE = ("make down", "KUBECONFIG", "state move")
"""Commands that run last or have another test: test_own_cluster.py deploys the lab's stack as another one."""
USED, DOWN = [block for block in BLOCKS if not any(word in block for word in ELSEWHERE)], "make down\n"


def deployed():
    try:
        return bool(stack.instances())
    except LabError:
        return False


@pytest.fixture(scope="module")
def was_up():
    """Whether the lab was up before the tests, which must then not remove it."""
    return deployed()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout whose files the commands may change, with a virtual environment."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in listed.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def run(block, folder=REPOSITORY, **variables):
    prelude = "" if "make up" in block else f'eval "$(make -s -C {REPOSITORY} shell-env)"\n'
    environment = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", **variables}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", prelude + block],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("block", USED, ids=lambda block: block.splitlines()[0])
def test_readme_command_succeeds(was_up, checkout, block):
    done = run(block, checkout) if "stack init" in block else run(block)

    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_demo_node_is_listed_by_headscale(was_up):
    assert "demo-node" in run("make join").stdout


def test_status_shows_no_secret(was_up):
    (instance,) = stack.instances()
    keys = [instance.secret(name)["key"] for name in instance.outputs["preAuthKeySecrets"].values()]

    shown = run("make status").stdout

    assert "API key: Secret headscale/headscale-api-key, until " in shown
    assert not [key for key in keys if key in shown]


def test_down_leaves_nothing_behind(was_up):
    assert DOWN in BLOCKS
    if was_up or own_cluster():
        pytest.skip("the lab was up before the tests, which must not remove it: run `make down` first to test this")
    done = run(DOWN)

    assert done.returncode == 0, done.stderr
    leftovers = [sys.executable, "-m", "lab", "leftovers"]
    left = subprocess.run(leftovers, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert left.returncode == 0, left.stderr
