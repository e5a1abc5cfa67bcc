"""Debian packages that the lab needs and that this machine lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.progress import LabError, say, step
from lab.state import CACHE

_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "openssl": "openssl",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "busybox": "busybox-static",
}
_CNI = Path("/usr/lib/cni/bridge")
_RECORD = CACHE / "debian-packages"
"""File with the packages that the lab installed, one per line; `make down` keeps it, as it keeps them."""


def missing() -> list[str]:
    """Return the packages that are not installed."""
    packages = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    return packages if _CNI.exists() else [*packages, "containernetworking-plugins"]


def install() -> None:
    """Install what is missing.

    Raises:
        LabError: When this is not Linux, not root, or has no apt-get.
    """
    own = "or set KUBECONFIG to a cluster of your own (kind, k3s, …), which needs none of this"
    if not sys.platform.startswith("linux"):
        raise LabError("the lab's cluster needs Linux", f"run it in a Linux machine, {own}")
    if os.geteuid() != 0:
        raise LabError("the lab's cluster needs root: it starts containerd, kubelet and kube-proxy", f"use sudo, {own}")
    packages = missing()
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise LabError(f"these are not installed: {', '.join(packages)}", f"install them, {own}")
    names = " ".join(packages)
    say(f"  installing Debian packages: {names} (make down leaves them; `apt-get remove {names}` removes them)")
    _record(packages)
    with step("apt-get update and install"):
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", *packages)


def installed_by_lab() -> list[str]:
    """Return the packages that the lab installed and that are still installed."""
    return [package for package in _recorded() if _is_installed(package)]


def _recorded() -> list[str]:
    return _RECORD.read_text().split() if _RECORD.exists() else []


def _record(packages: Sequence[str]) -> None:
    """Add packages to the record before they are installed: an installation may fail half-way."""
    _RECORD.parent.mkdir(parents=True, exist_ok=True)
    _RECORD.write_text("".join(f"{package}\n" for package in sorted({*_recorded(), *packages})))


def _is_installed(package: str) -> bool:
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "installed"


def _apt(*arguments: str) -> None:
    # Services of the packages must not start: the lab starts its own, with its own settings.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run = subprocess.run(["apt-get", "-q", *arguments], env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise LabError(
            f"apt-get {arguments[0]} failed:\n{run.stderr[-1500:]}", "are Debian's package mirrors reachable?"
        )
