"""Where everything of the lab lies.

Two places: the cache, which outlives the lab and may be deleted at any time, and the state, which is the lab itself
and goes with `make down`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headscale-lab"
"""Built tools and images; nothing in it is running or precious."""

_LAB = Path("/var/lib/headscale-lab")

KUBECONFIG = _LAB / "kubeconfig"
"""The lab's kubeconfig, with full rights."""


def kubeconfig() -> Path:
    """Return the kubeconfig in use: the person's own where KUBECONFIG is set, else the lab's.

    KUBECONFIG may be a list of paths: then this is that list, which is good for the variable and not for a flag.
    """
    own = os.environ.get("KUBECONFIG")
    return Path(own) if own else KUBECONFIG


def kubeconfig_files() -> list[Path]:
    """Return the files of the kubeconfig in use, in the order in which kubectl merges them."""
    return [Path(part) for part in str(kubeconfig()).split(os.pathsep) if part]


def own_cluster() -> bool:
    """Return whether a person brought a cluster of their own."""
    return kubeconfig_files() != [KUBECONFIG]


def _state() -> Path:
    """Return the lab's folder, or one for a person's own cluster: other clusters have other stacks, and no root."""
    if not own_cluster():
        return _LAB
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "headscale-lab" / hashlib.sha256(str(kubeconfig()).encode()).hexdigest()[:8]


STATE = _state()
"""Everything that a running lab consists of; short, because sockets have at most 107 characters."""

PIDS = STATE / "pids"
LOGS = STATE / "logs"
BIN = STATE / "bin" / hashlib.sha256(bytes(REPOSITORY)).hexdigest()[:8]
"""What a person's PATH needs to work with the lab: see `make shell-env`. Each checkout has its own."""
