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

STATE = Path("/var/lib/headscale-lab")
"""Everything that a running lab consists of; short, because sockets have at most 107 characters."""

KUBECONFIG = STATE / "kubeconfig"
"""The lab's kubeconfig, with full rights."""

PIDS = STATE / "pids"
LOGS = STATE / "logs"
BIN = STATE / "bin" / hashlib.sha256(bytes(REPOSITORY)).hexdigest()[:8]
"""What a person's PATH needs to work with the lab: see `make shell-env`. Each checkout has its own."""


def kubeconfig() -> Path:
    """Return the kubeconfig in use: the person's own where KUBECONFIG is set, else the lab's."""
    own = os.environ.get("KUBECONFIG")
    return Path(own) if own else KUBECONFIG


def own_cluster() -> bool:
    """Return whether a person brought a cluster of their own."""
    own = os.environ.get("KUBECONFIG")
    return own is not None and own != "" and Path(own) != KUBECONFIG
