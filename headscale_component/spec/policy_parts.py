"""How Headscale reads a policy: its sections, its rules, and what a name in it means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from headscale_component.spec.errors import PathPart
from headscale_component.spec.policy import Document
from headscale_core.values.versions import HeadscaleVersion

Path = tuple[PathPart, ...]
Version = HeadscaleVersion | tuple[int, int]
Rule = Mapping[str, Any]

UNREADABLE = "unreadable"
"""The kind of a name that Headscale cannot read."""

_BITS = re.compile(r"0|[1-9][0-9]*")


def kind_of(alias: str) -> str:
    """Return what a name means, in the order in which Headscale asks; of an autogroup, which.

    Source: `parseAlias`, https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L1057.
    """
    if is_network(alias):
        return "address"
    if alias == "*":
        return "*"
    if "@" in alias:
        return "user"
    prefix, colon, _ = alias.partition(":")
    if not colon:
        return "host"
    return alias if prefix == "autogroup" else prefix if prefix in {"group", "tag"} else UNREADABLE


def is_network(text: str) -> bool:
    """Return whether a text is an address or a network to Go: its length is in bits, never a netmask.

    Source: `ParsePrefix`, https://pkg.go.dev/net/netip#ParsePrefix.
    """
    address, slash, bits = text.rpartition("/") if "/" in text else (text, "", "")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not slash or (bool(_BITS.fullmatch(bits)) and int(bits) <= parsed.max_prefixlen and "%" not in address)


def address_bits(network: str) -> int:
    """Return how many bits of a network tell its addresses apart: none for a single address."""
    address, slash, bits = network.rpartition("/")
    return ipaddress.ip_address(address).max_prefixlen - int(bits) if slash else 0


def section_at(document: Document, path: Path) -> Mapping[str, Any]:
    """Return a section of names, empty where there is none."""
    section: Mapping[str, Any] = document
    for part in path:
        section = section.get(str(part)) or {}
    return section


def items_of(value: list[Any] | None) -> list[Any]:
    """Return the items of a list, none where there is none."""
    return value or []


def rules_in(document: Document, section: str) -> list[Rule]:
    """Return the rules of a section."""
    return items_of(document.get(section))
