"""What a newer Headscale takes in a policy as before, and reads otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headscale_component.spec.errors import Problem
from headscale_component.spec.policy.document import Document, Path, Rule, items_of, rules_in
from headscale_core.values.versions import HeadscaleVersion


def _sources_of_all(rule: Rule) -> Iterator[tuple[Path, str]]:
    for index, alias in enumerate(items_of(rule.get("src"))):
        if alias == "*":
            text = "is the tailnet's own addresses alone, no longer those behind subnet routers or of exit nodes' users"
            yield ("src", index), f"`*` {text}; write `autogroup:danger-all` with 0.29 where these are meant"


def _destinations_of_all(rule: Rule) -> Iterator[tuple[Path, str]]:
    for index, alias in enumerate(items_of(rule.get("dst"))):
        if alias.startswith("*:"):
            text = "is the tailnet's own addresses alone, no longer networks behind subnet routers and the internet"
            yield ("dst", index), f"`*` {text}; add these networks, and `autogroup:internet:*` for exit nodes"


def _icmp(rule: Rule) -> Iterator[tuple[Path, str]]:
    if str(rule.get("proto") or "").lower() == "icmp":
        yield ("proto",), '`icmp` no longer covers ICMPv6; add the same rule with `proto: "58"`'


@dataclass(frozen=True, slots=True)
class _Change:
    """A rule that a version reads otherwise than those before it.

    Attributes:
        since: The first version that reads it so.
        section: The section of the rule.
        find: Finds it in a rule, with what it means from then on.
        source: The URL of the engine's code.
    """

    since: HeadscaleVersion
    section: str
    find: Callable[[Rule], Iterator[tuple[Path, str]]]
    source: str


_V0_29 = HeadscaleVersion(0, 29)
_TYPES = "https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go"
_CHANGES = (
    _Change(_V0_29, "acls", _sources_of_all, f"{_TYPES}#L320"),
    _Change(_V0_29, "acls", _destinations_of_all, f"{_TYPES}#L320"),
    _Change(_V0_29, "acls", _icmp, f"{_TYPES}#L1790"),
)


def read_otherwise(document: Document, before: HeadscaleVersion, after: HeadscaleVersion) -> Iterator[Problem]:
    """Find what a policy means otherwise after an upgrade.

    Args:
        document: The policy.
        before: The version that it is stored in.
        after: The version to go to.
    """
    for change in _CHANGES:
        if not before < change.since <= after:
            continue
        for index, rule in enumerate(rules_in(document, change.section)):
            for path, text in change.find(rule):
                yield Problem((change.section, index, *path), f"from {change.since} on, {text}")
