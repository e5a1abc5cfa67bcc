"""The programs that the engine looks for on PATH, in one folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from lab.state import REPOSITORY

LANGUAGE_HOST = "pulumi-language-python"


def write_launchers(folder: Path, *, engine: Path, kubernetes_provider: Path, language_host: bool = True) -> None:
    """Fill a folder with the engine and the plugins that it starts.

    The engine looks for bundled plugins next to its own real path, so it is a hard link: a symbolic one would be
    followed.

    Args:
        folder: The folder to fill, which goes on PATH.
        engine: The engine; the scripts beside it, which belong to its version, go with it.
        kubernetes_provider: The official Kubernetes provider.
        language_host: Whether the lab's language host is among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for program in [*engine.parent.iterdir(), kubernetes_provider]:
        _link(folder / program.name, program)
    if language_host:
        _write(folder / LANGUAGE_HOST, _language_host(folder / f"{LANGUAGE_HOST}-exec"))


def _language_host(executor: Path) -> str:
    """Return a script that sets no environment variables, because the user's program would inherit them.

    With `-P` no module of the project's folder shadows one of the lab's.
    """
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from lab.language_host import server; "
    code += f"server.main({str(executor)!r})"
    return f'#!/bin/sh\nexec {shlex.join([sys.executable, "-P", "-u", "-c", code])} "$@"\n'


def _write(path: Path, text: str) -> None:
    """Write a program in one step: an engine may be starting the existing one."""
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text)
    unfinished.chmod(0o755)
    unfinished.replace(path)


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
