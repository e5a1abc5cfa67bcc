"""The programs that the engine looks for on PATH."""

from __future__ import annotations

import shlex
from pathlib import Path

PLUGINS = {
    "pulumi-language-python": "lab.standins.language_host",
    "pulumi-resource-pulumi-python": "lab.standins.dynamic_provider",
    "pulumi-resource-kubernetes": "lab.standins.kubernetes_provider",
}


def write_launchers(folder: Path, *, python: Path, repository: Path, pulumi: Path) -> None:
    """Write a launcher for each stand-in beside a hard link of the engine.

    The engine looks for bundled plug-ins next to its own real path, so a link that can be resolved would not do.

    Args:
        folder: Where they go; it is what PATH gets.
        python: The interpreter that has our packages.
        repository: Where `lab` is.
        pulumi: The engine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in PLUGINS.items():
        launcher = folder / name
        command = shlex.join([str(python), "-u", str(repository / "lab" / "standins" / "launch.py"), module])
        launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        launcher.chmod(0o755)
    engine = folder / "pulumi"
    if not engine.exists() or not engine.samefile(pulumi):
        engine.unlink(missing_ok=True)
        try:
            engine.hardlink_to(pulumi)
        except OSError:
            # The cache is on another file system.
            engine.write_bytes(pulumi.read_bytes())
            engine.chmod(0o755)
