"""What the lab changes in the machine's network, and how it is undone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from lab.cluster.certificates import ADDRESS
from lab.cluster.parts import BRIDGE
from lab.state import STATE

_BEFORE = STATE / "network-before.json"
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/netfilter/nf_conntrack_max",
)


def prepare() -> None:
    """Give the machine its address, let it forward, and note what was there before."""
    if not _BEFORE.exists():
        _BEFORE.write_text(json.dumps({"settings": _settings(), "rules": _rules()}))
    _run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def restore() -> None:
    """Undo everything: rules, devices, addresses and settings."""
    if _BEFORE.exists():
        before = json.loads(_BEFORE.read_text())
        for family, rules in before["rules"].items():
            subprocess.run([f"{family}-restore"], input=rules, text=True, check=False, capture_output=True)
        for name, value in before["settings"].items():
            Path("/proc/sys", name).write_text(value)
    _run("ip", "link", "delete", BRIDGE)
    _run("ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo")
    for namespace in _namespaces():
        _run("ip", "netns", "delete", namespace)


def leftovers() -> list[str]:
    """Return what of ours is still in the machine's network."""
    rules = {family: sum(map(_is_ours, saved.splitlines())) for family, saved in _rules().items()}
    found = [f"{family}: {count} rules and chains" for family, count in rules.items() if count]
    addresses = _run("ip", "-o", "address").splitlines()
    found += [f"address: {line}" for line in addresses if ADDRESS in line or BRIDGE in line]
    return [*found, *(f"network namespace: {name}" for name in _namespaces())]


def _is_ours(line: str) -> bool:
    return any(mark in line for mark in ("KUBE-", "CNI-", BRIDGE))


def _namespaces() -> list[str]:
    """Return the network namespaces that the CNI plug-ins made."""
    folder = Path("/run/netns")
    return [path.name for path in folder.glob("cni-*")] if folder.exists() else []


def _settings() -> dict[str, str]:
    paths = {name: Path("/proc/sys", name) for name in _SETTINGS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def _rules() -> dict[str, str]:
    """Return all rules as `iptables-save` has them; a table that is empty now is named, so that it is emptied again."""
    saved = {}
    for family in ("iptables", "ip6tables"):
        rules = _run(f"{family}-save")
        for table, chains in _EMPTY_TABLES.items():
            if f"*{table}" not in rules:
                rules += f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
        saved[family] = rules
    return saved


_EMPTY_TABLES = {
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
}


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
