"""How a policy is read: its sections, its rules, and what a name in it means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from headscale_component.spec.errors import PathPart
from headscale_component.spec.policy import Document

Path = tuple[PathPart, ...]
Version = tuple[int, int]


def kind_of(alias: str) -> str:
    """Return what a name means, by Headscale's own order; of an autogroup, which."""
    if alias == "*":
        return "*"
    if is_network(re.sub(r"[\[\]]", "", alias)):
        return "address"
    if alias.startswith("autogroup:"):
        return alias
    if "@" in alias:
        return "user"
    return next((kind for kind in ("group", "tag") if alias.startswith(f"{kind}:")), "host")


def is_network(text: str) -> bool:
    """Return whether a text is an address or a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def section_at(document: Document, path: Path) -> Mapping[str, Any]:
    """Return a section of names, empty where there is none."""
    section: Mapping[str, Any] = document
    for part in path:
        section = section.get(str(part)) or {}
    return section


def items_of(value: list[Any] | None) -> list[Any]:
    """Return the items of a list, none where there is none."""
    return value or []


def rules_in(document: Document, section: str) -> list[Mapping[str, Any]]:
    """Return the rules of a section."""
    return items_of(document.get(section))
