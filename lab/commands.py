"""The commands that the lab runs on the stack and on its cluster: pulumi and kubectl."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from lab import kubeconfig, own_stack, pulumi, tools
from lab.progress import LabError
from lab.state import REPOSITORY, own_cluster

STACK = own_stack.STACK if own_cluster() else "lab"
"""The stack that is deployed: `own` on a cluster of the user's, else `lab`."""


def run_pulumi(*arguments: str, shown: bool = False) -> str:
    """Run a Pulumi command in this repository.

    Args:
        arguments: The command.
        shown: Whether its output goes to the terminal.
    """
    command = ["pulumi", *arguments, "--non-interactive"]
    environment = {**os.environ, **pulumi.environment(), "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, text=True, check=False, capture_output=not shown)
    if run.returncode:
        output = "" if shown else f":\n{run.stdout}{run.stderr}"
        raise LabError(
            f"`pulumi {arguments[0]}` failed{output}", "fix the error and run it again: it continues where it stopped"
        )
    return run.stdout or ""


def kubectl(*arguments: str) -> str:
    """Run kubectl on the cluster in use.

    Raises:
        LabError: With its error output, when it fails.
    """
    command = [str(tools.path("kubectl")), *arguments]
    run = subprocess.run(
        command,
        env=kubeconfig.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise LabError(f"kubectl {' '.join(arguments[:3])}: {run.stderr.strip()}", "is the lab up? run `make up`")
    return run.stdout


def kubectl_json(*arguments: str) -> dict[str, Any]:
    """Return an object of the cluster."""
    found: dict[str, Any] = json.loads(kubectl(*arguments, "-o", "json"))
    return found
