"""Tests that need a cluster or a Headscale are found, with neither."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_every_level_is_collected_without_errors():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    levels = ["tests/integration", "tests/lab", "tests/e2e"]

    run = subprocess.run([*command, *levels], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout[-2000:]
