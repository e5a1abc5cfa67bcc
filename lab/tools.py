"""The tools that the lab runs: built from pinned Go modules, once, into the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.progress import LabError, step
from lab.state import CACHE, REPOSITORY

_MODULES = REPOSITORY / "lab" / "tools"


@dataclass(frozen=True, slots=True)
class Tool:
    """A pinned Go module and the programs built from it.

    Attributes:
        name: Its folder under `lab/tools`.
        version: The version that the programs show, as the linker is told.
        packages: The packages that become programs.
        variables: Linker variables that take the version.
        minutes: About how long a first build takes on two cores.
    """

    name: str
    version: str
    packages: tuple[str, ...]
    variables: tuple[str, ...] = ()
    minutes: int = 2

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs."""
        return tuple(package.rpartition("/")[2] for package in self.packages)

    @property
    def linker_flags(self) -> str:
        """What the linker is told."""
        return " ".join(["-s -w", *(f"-X {variable}={self.version}" for variable in self.variables)])


def _headscale(version: str) -> Tool:
    return Tool(
        f"headscale-{version.rpartition('.')[0].removeprefix('v')}",
        version,
        ("github.com/juanfont/headscale/cmd/headscale",),
        ("github.com/juanfont/headscale/hscontrol/types.Version",),
    )


HEADSCALES = tuple(map(_headscale, ("v0.26.1", "v0.27.1", "v0.28.0", "v0.29.1")))
PULUMI = Tool(
    "pulumi",
    "v3.246.0",
    ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
    ("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",),
    minutes=3,
)
TAILSCALE = Tool("tailscale", "", ("tailscale.com/cmd/tailscale", "tailscale.com/cmd/tailscaled"))
KUBERNETES = Tool(
    "kubernetes",
    "v1.36.3",
    tuple(
        f"k8s.io/kubernetes/cmd/{program}"
        for program in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        )
    ),
    ("k8s.io/component-base/version.gitVersion",),
    minutes=7,
)
TOOLS = (*HEADSCALES, PULUMI, TAILSCALE, KUBERNETES)

_CLIENTS = ("kubectl", "tailscale", "tailscaled")
"""Programs of which an installed one does as well as the pinned one."""


def path(name: str) -> Path:
    """Return the path of a program: the installed one of a client, else ours, built where that was not done yet.

    Args:
        name: A program (`kubelet`, `tailscaled`, `pulumi`) or `headscale-0.28` and the like.

    Raises:
        LabError: When it is unknown or cannot be built.
    """
    if name in _CLIENTS and (installed := shutil.which(name)):
        return Path(installed)
    for tool in TOOLS:
        if name == tool.name and len(tool.programs) == 1:
            return _built(tool) / tool.programs[0]
        if name in tool.programs and tool not in HEADSCALES:
            return _built(tool) / name
    known = sorted({program for tool in TOOLS for program in (*tool.programs, tool.name)})
    raise LabError(f"`{name}` is no tool of the lab", f"known are {', '.join(known)}")


def headscale_binary(minor: str) -> Path:
    """Return headscale's binary of a minor version such as `0.28`."""
    return path(f"headscale-{minor}")


def build_all() -> None:
    """Build every tool that is not in the cache yet."""
    for tool in TOOLS:
        _built(tool)


def _built(tool: Tool) -> Path:
    """Return the folder with a tool's programs; a half-made one never has this name."""
    folder = CACHE / "tools" / f"{tool.name}-{_fingerprint(tool)}"
    if folder.is_dir():
        return folder
    with _lock(tool.name):
        if not folder.is_dir():
            _build(tool, folder)
    return folder


def _fingerprint(tool: Tool) -> str:
    """Return a hash of all that decides what is built."""
    digest = hashlib.sha256(f"{tool.packages} {tool.linker_flags}".encode())
    for file in ("go.mod", "go.sum"):
        digest.update((_MODULES / tool.name / file).read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Let one process build at a time; the lock goes with the process that holds it."""
    (CACHE / "tools").mkdir(parents=True, exist_ok=True)
    with (CACHE / "tools" / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(tool: Tool, folder: Path) -> None:
    if not shutil.which("go"):
        raise LabError(
            f"{tool.name} has to be built and there is no Go compiler",
            "install Go 1.26 or newer, or put the official pulumi, kubectl and tailscale on PATH and set KUBECONFIG "
            "to a cluster of your own",
        )
    made = Path(tempfile.mkdtemp(prefix=f".{tool.name}-", dir=folder.parent))
    with step(f"building {tool.name} {tool.version} (about {tool.minutes} min the first time)"):
        command = [
            "go",
            "build",
            "-trimpath",
            "-ldflags",
            tool.linker_flags,
            "-o",
            f"{made}/",
            *tool.packages,
        ]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        run = subprocess.run(
            command, cwd=_MODULES / tool.name, env=environment, capture_output=True, text=True, check=False
        )
    if run.returncode:
        shutil.rmtree(made)
        raise LabError(f"building {tool.name} failed:\n{run.stderr[-2000:]}", "is the Go module proxy in reach?")
    made.chmod(0o755)
    made.rename(folder)
