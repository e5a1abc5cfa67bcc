"""The policies that Headscale's own tests hold: of a real tailnet, each with its users and nodes."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headscale_core.values import hujson
from lab.state import REPOSITORY
from tests.truth.case import Case

_NEWEST = "0.29"
_MODULE = "github.com/juanfont/headscale"


def source(version: str) -> Path:
    """Return the folder of the pinned module of a version, fetched where it is not at hand."""
    folder = REPOSITORY / "lab" / "tools" / f"headscale-{version}"
    subprocess.run(["go", "mod", "download", _MODULE], cwd=folder, capture_output=True, check=True)
    command = ["go", "list", "-m", "-f", "{{.Dir}}", _MODULE]
    return Path(subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout.strip())


def cases() -> Iterator[Case]:
    """Yield the policies; 0.29 alone has any, and older versions are asked of the same."""
    data = source(_NEWEST) / "hscontrol" / "policy" / "v2" / "testdata"
    for file in sorted(data.rglob("*.hujson")):
        yield _case(file)


def _case(file: Path) -> Case:
    captured = hujson.parse(_head(file))
    policy = captured["input"]["full_policy"]
    topology = captured.get("topology") or {}
    people = topology.get("users") or []
    users = {user["name"]: {"email": user["email"]} if user.get("email") else {} for user in people}
    numbers = {name: number for number, name in enumerate(users, start=1)}
    nodes = [_node(node, numbers) for node in (topology.get("nodes") or {}).values()]
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return Case("headscale's own", file.stem, text, users=users, nodes=nodes, others=True)


def _head(file: Path) -> str:
    """Return a file without the packet filters, which stand at its end and make most of it."""
    with file.open() as lines:
        head = "".join(itertools.takewhile(lambda line: not line.startswith('\t"captures"'), lines))
    return head.rstrip().rstrip(",") + "\n}" if head.rstrip().endswith(",") else head


def _node(node: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "hostname": node.get("hostname", ""),
        "user": numbers.get(node.get("user", ""), 0),
        "tags": node.get("tags") or [],
        "ipv4": node.get("ipv4") or "",
        "ipv6": node.get("ipv6") or "",
        "routes": node.get("routable_ips") or [],
    }
