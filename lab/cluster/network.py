"""What the lab changes in the machine's network and kernel settings, and how it is restored."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.cluster import firewall
from lab.cluster.certificates import ADDRESS
from lab.cluster.parts import BRIDGE, POD_ADDRESSES
from lab.state import STATE

_BEFORE = STATE / "network-before.json"
"""What existed before the lab. Without this record no rule is known to be the lab's, and none is removed."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FAMILIES = ("iptables", "ip6tables")
_ATTEMPTS = 3
_CNI_CACHE = Path("/var/lib/cni/results")

GIVEN = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""The settings under /proc/sys that the lab, kube-proxy (route_localnet) and kubelet (the rest) change, and to what.

Source: pkg/proxy/iptables/proxier.go and setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go,
https://github.com/kubernetes/kubernetes/tree/v1.36.3
"""


def prepare() -> None:
    """Add the lab's address, enable IP forwarding, and record the previous settings."""
    if not _BEFORE.exists():
        _BEFORE.write_text(json.dumps(_snapshot()))
    _run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def restore() -> None:
    """Remove the lab's rules, devices, addresses and namespaces, and restore the settings that it changed."""
    before = _before()
    for family in _FAMILIES if before else ():
        _remove_rules(family, before["chains"][family])
    for name, value in settings_to_restore(before.get("settings", {}), _settings()).items():
        Path("/proc/sys", name).write_text(value)
    _run("ip", "link", "delete", BRIDGE)
    _run("ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo")
    for namespace in _our_namespaces():
        _run("ip", "netns", "delete", namespace)
    for result in _CNI_CACHE.glob("headscale-lab-*"):
        result.unlink()


def leftovers() -> list[str]:
    """Return what the lab left in the machine's network.

    Rules are listed as long as it is known which existed before: until the lab's folder is deleted.
    """
    before = _before()
    rules = {
        family: firewall.removal(_run(f"{family}-save"), before["chains"][family])
        for family in (_FAMILIES if before else ())
    }
    found = [f"{family}: {rules[family].count('-D ')} rules, {rules[family].count('-X ')} chains" for family in rules]
    found = [line for line, family in zip(found, rules, strict=True) if rules[family]]
    addresses = _run("ip", "-o", "address").splitlines()
    found += [f"address: {line}" for line in addresses if ADDRESS in line or BRIDGE in line]
    return [*found, *(f"network namespace: {name}" for name in _our_namespaces())]


def settings_to_restore(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that still have the lab's value, with their value before the lab.

    Args:
        before: Values before the lab; settings that are not in it are kept.
        now: Present values; one that was set by others since is kept.
    """
    return {
        name: before[name]
        for name, given in GIVEN.items()
        if name in before and before[name] != given and now.get(name) == given
    }


def _before() -> dict[str, Any]:
    """Return what existed before the lab; nothing if the machine has restarted, which reset everything."""
    if not _BEFORE.exists():
        return {}
    before: dict[str, Any] = json.loads(_BEFORE.read_text())
    return before if before.get("boot") == _BOOT.read_text() else {}


def _snapshot() -> dict[str, Any]:
    return {
        "boot": _BOOT.read_text(),
        "settings": _settings(),
        "chains": {family: firewall.chains(_run(f"{family}-save")) for family in _FAMILIES},
        "namespaces": _cni_namespaces(),
    }


def _remove_rules(family: str, foreign: list[str]) -> None:
    """Remove the lab's chains and rules; retry when another program changed the tables meanwhile."""
    for _ in range(_ATTEMPTS):
        deletions = firewall.removal(_run(f"{family}-save"), foreign)
        if not deletions:
            return
        subprocess.run([f"{family}-restore", "--noflush"], input=deletions, text=True, check=False, capture_output=True)


def _our_namespaces() -> list[str]:
    """Return the network namespaces of the lab's pods, and not those of another container runtime."""
    known = _before().get("namespaces")
    return [name for name in _cni_namespaces() if _is_our_namespace(name, known)]


def _is_our_namespace(name: str, known: list[str] | None) -> bool:
    """Return whether a namespace has a pod's address, or has none yet and did not exist before the lab."""
    lines = _run("ip", "-n", name, "-o", "address").splitlines()
    addresses = [ipaddress.ip_interface(line.split()[3]).ip for line in lines]
    if any(address in ipaddress.ip_network(POD_ADDRESSES) for address in addresses):
        return True
    is_empty = all(address.is_loopback or address.is_link_local for address in addresses)
    return is_empty and known is not None and name not in known


def _cni_namespaces() -> list[str]:
    """Return the network namespaces that a container runtime made for CNI plug-ins."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob("cni-*")) if folder.exists() else []


def _settings() -> dict[str, str]:
    paths = {name: Path("/proc/sys", name) for name in GIVEN}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
