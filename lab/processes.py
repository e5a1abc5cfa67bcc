"""Processes of the lab: started in the background, recorded, and stopped only if they are the recorded ones."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.state import LOGS, PIDS

_PATIENCE_SECONDS = 15.0

_children: dict[str, subprocess.Popen[bytes]] = {}
"""What this process started, to be reaped when it ends."""


def start(name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Start a process in a session of its own unless it runs; its output goes to its log.

    Args:
        name: Its name in the lab.
        command: Program and arguments; no secrets, because every user can list them.
        environment: Variables in addition to this process's.
    """
    if running(name):
        return
    PIDS.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    _children[name] = process
    # The start time is recorded too, because the kernel reuses process ids.
    (PIDS / name).write_text(f"{process.pid} {started_at(process.pid)}\n")


def running(name: str) -> bool:
    """Return whether the process that was recorded under a name runs."""
    return _ours(name) is not None


def stop(name: str) -> None:
    """Stop a recorded process by SIGTERM, and after a while by SIGKILL."""
    pid = _ours(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while _ours(name) is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        if _ours(name) is not None:
            os.kill(pid, signal.SIGKILL)
    child = _children.pop(name, None)
    if child is not None:
        child.wait(_PATIENCE_SECONDS)
    (PIDS / name).unlink(missing_ok=True)


def log_tail(name: str, lines: int = 15) -> str:
    """Return the end of a process's log."""
    path = LOGS / f"{name}.log"
    text = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else ["(no log)"]
    return "\n".join([f"the end of {path}:", *text])


def started_at(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks; None when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _ours(name: str) -> int | None:
    try:
        pid, start_time = (PIDS / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started_at(int(pid)) == start_time else None
