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
_JUDGE = REPOSITORY / "lab" / "judge"


@dataclass(frozen=True, slots=True)
class Tool:
    """A pinned Go module and the programs built from it.

    Attributes:
        name: Its folder under `lab/tools`, unless `module` names another.
        version: The version that the programs print, set by the linker.
        packages: The packages that become programs.
        variables: Linker variables that take the version.
        embeds: Files of another module, as (module, path in it), copied next to the lab's main package.
        scripts: Scripts of a module, as (module, path in it), copied next to the programs.
        minutes: About how long a first build takes on two cores.
        module: The folder under `lab/tools` whose pinned versions it is built with, empty for its own.
        main: A main package that several tools share, copied next to the pinned versions.
    """

    name: str
    version: str
    packages: tuple[str, ...]
    variables: tuple[str, ...] = ()
    embeds: tuple[tuple[str, str], ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    minutes: int = 2
    module: str = ""
    main: Path | None = None

    @property
    def sources(self) -> Path:
        """The folder with its pinned versions."""
        return _MODULES / (self.module or self.name)

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs; one that is built from a main package of the lab has the tool's name."""
        return tuple(self.name if package == "." else package.rpartition("/")[2] for package in self.packages)

    @property
    def linker_flags(self) -> str:
        """The linker's flags."""
        return " ".join(["-s -w", *(f"-X {variable}={self.version}" for variable in self.variables)])


def _headscale(version: str) -> Tool:
    return Tool(
        f"headscale-{version.rpartition('.')[0].removeprefix('v')}",
        version,
        ("github.com/juanfont/headscale/cmd/headscale",),
        ("github.com/juanfont/headscale/hscontrol/types.Version",),
    )


HEADSCALES = tuple(map(_headscale, ("v0.26.1", "v0.27.1", "v0.28.0", "v0.29.3")))


def _judge(headscale: Tool) -> Tool:
    name = headscale.name.replace("headscale", "judge")
    return Tool(name, headscale.version, (".",), module=headscale.name, main=_JUDGE)


JUDGES = tuple(map(_judge, HEADSCALES))
"""Each Headscale's verdict on a policy or a configuration, without a server; built on first use."""


_PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"


def _engine(name: str, version: str) -> Tool:
    """Return the engine with the Python scripts that Pulumi's release has next to it."""
    return Tool(
        name,
        version,
        ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
        (f"{_PULUMI_SDK}/go/common/version.Version",),
        scripts=(
            (_PULUMI_SDK, "python/cmd/pulumi-language-python-exec"),
            (_PULUMI_SDK, "python/dist/pulumi-resource-pulumi-python"),
        ),
        minutes=4,
    )


PULUMI = _engine("pulumi", "v3.274.1")
OLDEST_PULUMI = _engine("pulumi-3.246", "v3.246.0")
"""The oldest engine that the project's dependencies allow, for the tests."""

_PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
KUBERNETES_PROVIDER = Tool(
    "pulumi-resource-kubernetes",
    "4.24.0+f47bc2d6f199",
    (".",),
    ("main.version",),
    embeds=(
        (_PROVIDER_MODULE, "cmd/pulumi-resource-kubernetes/schema.json"),
        (_PROVIDER_MODULE, "cmd/pulumi-resource-kubernetes/terraform-mapping.json"),
    ),
    minutes=4,
)
"""The official Kubernetes provider: the newest code that the module proxy has, of 2026-01-15, between 4.24 and 4.25."""

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
TOOLS = (PULUMI, KUBERNETES_PROVIDER, KUBERNETES, TAILSCALE, *HEADSCALES, OLDEST_PULUMI)

_SEVERAL = (*HEADSCALES, OLDEST_PULUMI)
"""Tools whose program another tool has too: they are found by the tool's name only."""

_CLIENTS = ("kubectl", "tailscale", "tailscaled")
"""Programs of which an installed one is used instead of the pinned one."""


def path(name: str) -> Path:
    """Return the path of a program: an installed client, else the lab's, built unless it is in the cache.

    Args:
        name: A program (`kubelet`, `tailscaled`, `pulumi`) or `headscale-0.28` and the like.

    Raises:
        LabError: When it is unknown or cannot be built.
    """
    if name in _CLIENTS and (installed := shutil.which(name)):
        return Path(installed)
    for tool in (*TOOLS, *JUDGES):
        if name == tool.name and len(tool.programs) == 1:
            return _built(tool) / tool.programs[0]
        if name in tool.programs and tool not in _SEVERAL:
            return _built(tool) / name
    known = sorted({program for tool in (*TOOLS, *JUDGES) for program in (*tool.programs, tool.name)})
    raise LabError(f"`{name}` is not a tool of the lab", f"known are {', '.join(known)}")


def headscale_binary(minor: str) -> Path:
    """Return headscale's binary of a minor version such as `0.28`."""
    return path(f"headscale-{minor}")


def build_all() -> None:
    """Build every tool that the lab and its tests run and that is not in the cache yet."""
    for tool in TOOLS:
        _built(tool)


def _built(tool: Tool) -> Path:
    """Return the folder with a tool's programs; an incomplete one never has this name."""
    folder = CACHE / "tools" / f"{tool.name}-{_fingerprint(tool)}"
    if folder.is_dir():
        return folder
    with _lock(tool.name):
        if not folder.is_dir():
            _build(tool, folder)
    return folder


def _fingerprint(tool: Tool) -> str:
    """Return a hash of the build's inputs."""
    scripts = "".join(path for _, path in tool.scripts)
    digest = hashlib.sha256(f"{tool.packages} {tool.linker_flags}{scripts}".encode())
    for file in sorted((*tool.sources.iterdir(), *(tool.main.iterdir() if tool.main else ()))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Lock so that one process builds at a time; the lock ends with its process."""
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
    try:
        with step(f"building {tool.name} {tool.version} (about {tool.minutes} min the first time)"):
            _compile(tool, made)
    except BaseException:
        shutil.rmtree(made)
        raise
    made.chmod(0o755)
    made.rename(folder)


def _compile(tool: Tool, target: Path) -> None:
    """Build a tool's programs into a folder."""
    with tempfile.TemporaryDirectory() as copy:
        sources = tool.sources
        if tool.embeds or tool.main:
            sources = Path(shutil.copytree(sources, copy, dirs_exist_ok=True))
        if tool.main:
            shutil.copytree(tool.main, sources, dirs_exist_ok=True)
        for module, file in tool.embeds:
            _copy(tool, sources, module, file, sources)
        outputs = [f"{target}/{tool.name}"] if tool.packages == (".",) else [f"{target}/"]
        _go(tool, sources, "build", "-trimpath", "-ldflags", tool.linker_flags, "-o", *outputs, *tool.packages)
        for module, file in tool.scripts:
            # A module's archive keeps no permissions.
            _copy(tool, sources, module, file, target).chmod(0o755)


def _copy(tool: Tool, sources: Path, module: str, file: str, target: Path) -> Path:
    """Copy a file of a module into a folder, and return the copy."""
    _go(tool, sources, "mod", "download", module)
    found = _go(tool, sources, "list", "-m", "-f", "{{.Dir}}", module).strip()
    return Path(shutil.copyfile(Path(found, file), target / Path(file).name))


def _go(tool: Tool, folder: Path, *arguments: str) -> str:
    # A module that asks for a newer Go gets it from the module proxy.
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        "GOTOOLCHAIN": "auto",
    }
    run = subprocess.run(["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(f"building {tool.name} failed:\n{run.stderr[-2000:]}", "is the Go module proxy reachable?")
    return run.stdout
