"""Pulumi's parts: the official ones where they are installed, else what is built here."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab import tools
from lab.standins.launchers import write_launchers
from lab.state import BIN, REPOSITORY, STATE, kubeconfig, own_cluster

PASSPHRASE = "headscale-lab"  # noqa: S105 - of the lab alone, whose salt stands in its stack file
_PERSONAL = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME")


def is_official() -> bool:
    """Return whether engine, language host and Kubernetes provider are all installed."""
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    provider = shutil.which("pulumi-resource-kubernetes") or any(plugins.glob("resource-kubernetes-*"))
    return bool(shutil.which("pulumi") and shutil.which("pulumi-language-python") and provider)


def describe() -> str:
    """Return a line that says which parts are in use."""
    if is_official():
        return f"pulumi: the official parts ({shutil.which('pulumi')})"
    return (
        f"pulumi: engine {tools.PULUMI.version} and the official Kubernetes provider "
        f"{tools.KUBERNETES_PROVIDER.version}, built here; a language host of the lab's own"
    )


def environment() -> dict[str, str]:
    """Return the variables with which `pulumi` works on the lab, on top of a person's own."""
    variables = {
        "PULUMI_BACKEND_URL": f"file://{STATE}/pulumi-state",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "KUBECONFIG": str(kubeconfig()),
    }
    if own_cluster():
        variables |= {name: os.environ[name] for name in _PERSONAL if name in os.environ}
    if variables["PULUMI_BACKEND_URL"] == f"file://{STATE}/pulumi-state":
        (STATE / "pulumi-state").mkdir(parents=True, exist_ok=True)
    if is_official():
        return variables
    write_launchers(
        BIN,
        python=Path(sys.executable),
        repository=REPOSITORY,
        pulumi=tools.path("pulumi"),
        kubernetes_provider=tools.path("pulumi-resource-kubernetes"),
    )
    return variables | {
        "PULUMI_HOME": str(STATE / "pulumi-home"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PATH": f"{BIN}:{os.environ.get('PATH', '')}",
    }
