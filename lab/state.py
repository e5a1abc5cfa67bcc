"""The folders of the lab.

The cache, which `make down` keeps and which may be deleted at any time, and the state, which `make down` deletes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headscale-lab"
"""Built tools and images."""

_LAB = Path("/var/lib/headscale-lab")

KUBECONFIG = _LAB / "kubeconfig"
"""The lab's kubeconfig, with full rights."""


def kubeconfig() -> Path:
    """Return the kubeconfig in use: the user's own where KUBECONFIG is set, else the lab's.

    KUBECONFIG may be a list of paths: then this is that list, which is valid for the variable and not for a flag.
    """
    own = os.environ.get("KUBECONFIG")
    return Path(own) if own else KUBECONFIG


def kubeconfig_files() -> list[Path]:
    """Return the files of the kubeconfig in use, in the order in which kubectl merges them."""
    return [Path(part) for part in str(kubeconfig()).split(os.pathsep) if part]


def own_cluster() -> bool:
    """Return whether KUBECONFIG names the user's own cluster."""
    return kubeconfig_files() != [KUBECONFIG]


def _state() -> Path:
    """Return the lab's state folder, or that for the user's own cluster, which needs no root."""
    if not own_cluster():
        return _LAB
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "headscale-lab" / hashlib.sha256(str(kubeconfig()).encode()).hexdigest()[:8]


STATE = _state()
"""The state of a running lab. The path is short, because socket paths have at most 107 characters."""

PIDS = STATE / "pids"
LOGS = STATE / "logs"
BIN = STATE / "bin" / hashlib.sha256(bytes(REPOSITORY)).hexdigest()[:8]
"""The folder that `make shell-env` puts on PATH. Each checkout has its own."""
