"""A policy or a configuration of which both sides are asked."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.truth.engine import VERSIONS

Users = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A policy or a configuration.

    Attributes:
        corpus: Where it is from.
        name: Its name in there.
        text: The policy's HuJSON, or the configuration as JSON.
        kind: `policy` or `config`.
        users: The declared users by name.
        nodes: The nodes of the tailnet, as the engine reads them; each user and each tag has one where None.
        others: Whether users come from an identity provider too.
        versions: The versions that are asked.
        inline: Whether the policy stands in the stack's YAML and not in a file.
    """

    corpus: str
    name: str
    text: str
    kind: str = "policy"
    users: Users = field(default_factory=dict)
    nodes: list[dict[str, Any]] | None = None
    others: bool = False
    versions: tuple[str, ...] = tuple(VERSIONS)
    inline: bool = False


def question(case: Case, text: str) -> dict[str, Any]:
    """Return what the engine is asked of a policy, in the text that it would get."""
    users: list[dict[str, Any]] = [
        {"id": number, "name": name, "email": user.get("email", "")}
        for number, (name, user) in enumerate(case.users.items(), start=1)
    ]
    nodes = case.nodes
    if nodes is None:
        nodes = [_node(user["id"], user=user["id"]) for user in users]
        nodes += [_node(number, tags=[tag]) for number, tag in enumerate(_tags(text), start=100)]
    return {"kind": "policy", "text": text, "users": users, "nodes": nodes}


def _node(number: int, **of_whom: Any) -> dict[str, Any]:
    return {
        "hostname": f"node-{number}",
        "ipv4": f"100.64.0.{number}",
        "ipv6": f"fd7a:115c:a1e0::{number:x}",
        **of_whom,
    }


def _tags(text: str) -> list[str]:
    try:
        document = json.loads(text)
        return sorted(tag for tag in document.get("tagOwners") or {} if tag.startswith("tag:"))[:50]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []
