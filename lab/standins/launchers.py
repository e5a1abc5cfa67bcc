"""The programs that the engine looks for on PATH."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

PLUGINS = {
    "pulumi-language-python": "lab.standins.language_host",
    "pulumi-resource-pulumi-python": "lab.standins.dynamic_provider",
}


def write_launchers(folder: Path, *, python: Path, repository: Path, pulumi: Path, kubernetes_provider: Path) -> None:
    """Write a launcher for each plug-in beside a hard link of the engine.

    The engine looks for bundled plug-ins next to its own real path, so a link that can be resolved would not do.

    Args:
        folder: Where they go; it is what PATH gets.
        python: The interpreter that has our packages.
        repository: Where `lab` is.
        pulumi: The engine.
        kubernetes_provider: The official Kubernetes provider.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in PLUGINS.items():
        launcher = folder / name
        command = shlex.join([str(python), "-u", str(repository / "lab" / "standins" / "launch.py"), module])
        launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        launcher.chmod(0o755)
    _link(folder / "pulumi", pulumi)
    _link(folder / "pulumi-resource-kubernetes", kubernetes_provider)


def _link(link: Path, program: Path) -> None:
    """Put a program into the folder under its name: by a hard link, or by a copy from another file system."""
    if link.exists() and link.samefile(program):
        return
    unfinished = link.with_suffix(f".{os.getpid()}")
    try:
        unfinished.hardlink_to(program)
    except OSError:
        shutil.copy2(program, unfinished)
    unfinished.replace(link)
