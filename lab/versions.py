"""The versions in use, for bug reports and test logs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from lab import kubeconfig, pulumi, tools
from lab.progress import LabError

_UNKNOWN = "unknown"
_SDKS = ("pulumi", "pulumi-kubernetes")
_PLUGIN = re.compile(r"resource-kubernetes-v(\d+)\.(\d+)\.(\d+)(-(?:alpha|beta|rc)[.\d]*)?")


def lines() -> list[str]:
    """Return the versions of engine, Kubernetes provider, SDKs and cluster, one per line; it never fails."""
    origin = "official, installed" if pulumi.is_official() else "built here"
    sdks = ", ".join(f"{name} {_sdk(name)}" for name in _SDKS)
    return [
        f"engine: pulumi {_engine()} ({origin})",
        f"provider: kubernetes {provider()} ({origin})",
        f"SDKs: {sdks}",
        f"cluster: Kubernetes {_cluster()}",
    ]


def newest_plugin(names: list[str]) -> str:
    """Return the newest version among the folders in which Pulumi keeps plug-ins, as `resource-kubernetes-v4.33.0`."""
    found = [match for name in names if (match := _PLUGIN.fullmatch(name))]
    if not found:
        return _UNKNOWN
    # A prerelease comes before its release.
    newest = max(found, key=lambda value: (*map(int, value.group(1, 2, 3)), not value[4], value[4] or ""))
    return newest[0].partition("-v")[2]


def _engine() -> str:
    """Return the version of the engine on PATH, which may be another one than the lab builds."""
    try:
        program = "pulumi" if pulumi.is_official() else str(tools.path("pulumi"))
        return _output([program, "version"], {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"})
    except (LabError, OSError):
        return _UNKNOWN


def provider() -> str:
    """Return the version of the Kubernetes provider in use."""
    if not pulumi.is_official():
        return tools.KUBERNETES_PROVIDER.version
    if program := shutil.which("pulumi-resource-kubernetes"):
        return f"at {program}"
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    return newest_plugin([path.name for path in plugins.glob("resource-kubernetes-v*")])


def _sdk(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cluster() -> str:
    try:
        kubectl = str(tools.path("kubectl"))
        version = _output([kubectl, "get", "--raw", "/version", "--request-timeout=5s"], kubeconfig.environment())
        return str(json.loads(version)["gitVersion"])
    except (LabError, OSError, ValueError, KeyError):
        return f"{_UNKNOWN}: it does not answer"


def _output(command: list[str], environment: dict[str, str]) -> str:
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return run.stdout.strip() if run.returncode == 0 and run.stdout.strip() else _UNKNOWN
