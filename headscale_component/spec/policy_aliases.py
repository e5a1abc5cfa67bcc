"""Where a policy names users, groups, tags and hosts, and which of them may stand there.

The tables are those of Headscale's own policy engine (`hscontrol/policy/v2/types.go`,
https://github.com/juanfont/headscale/blob/main/hscontrol/policy/v2/types.go); a test holds them against real servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from headscale_component.spec.policy import Document
from headscale_component.spec.policy_parts import Path, Version, items_of, kind_of, rules_in, section_at

NEWER: Version = (0, 29)
_TAGS_AS_IDENTITY: Version = (0, 28)
"""From here on tags may own tags, and nobody logs in everywhere."""
_AUTOGROUPS: Mapping[str, Version] = {"member": (0, 27), "tagged": (0, 27), "self": (0, 27), "danger-all": NEWER}
"""Headscale's own groups, each with the version that brought it."""


@dataclass(frozen=True, slots=True)
class AliasList:
    """A list of names in a policy.

    Attributes:
        kinds: What may stand there.
        autogroups: Which of Headscale's own groups may.
        has_ports: Whether each name has ports behind it.
        since: What may stand there only from a version on.
        until: What else may stand there before a version.
    """

    kinds: frozenset[str]
    autogroups: frozenset[str] = frozenset()
    has_ports: bool = False
    since: Mapping[str, Version] = field(default_factory=dict)
    until: Mapping[str, Version] = field(default_factory=dict)

    def kinds_in(self, version: Version | None) -> frozenset[str]:
        """Return what may stand there in a version of Headscale."""
        before = {kind for kind, end in self.until.items() if version is not None and version < end}
        not_yet = {kind for kind, begin in self.since.items() if version is not None and version < begin}
        return self.kinds.union(before) - not_yet

    def autogroups_in(self, version: Version | None) -> frozenset[str]:
        """Return which of Headscale's own groups may stand there in a version of it."""
        return self.autogroups - {
            name for name, begin in _AUTOGROUPS.items() if version is not None and version < begin
        }


_ANYBODY = frozenset({"user", "group", "tag", "host", "address", "*"})
_OWNERS = frozenset({"user", "group", "tag"})
_SOURCE = AliasList(_ANYBODY, frozenset({"member", "tagged", "danger-all"}))
_DESTINATION = AliasList(_ANYBODY, frozenset({"internet", "member", "tagged", "self"}))
_DESTINATION_WITH_PORTS = AliasList(_ANYBODY, _DESTINATION.autogroups, has_ports=True)
_SSH_SOURCE = AliasList(_OWNERS, frozenset({"member", "tagged"}))
_SSH_DESTINATION = AliasList(
    frozenset({"user", "tag"}),
    frozenset({"member", "tagged", "self"}),
    until={"host": NEWER, "*": _TAGS_AS_IDENTITY},
)
_TARGET = AliasList(_ANYBODY, frozenset({"member", "tagged"}))
_TESTED = AliasList(_ANYBODY, frozenset({"member", "tagged", "self"}), has_ports=True)
_OWNER = AliasList(_OWNERS, since={"tag": _TAGS_AS_IDENTITY})
_APPROVER = AliasList(_OWNERS)
_MEMBER = AliasList(frozenset({"user"}))
_TAG = AliasList(frozenset({"tag"}))

_LISTS: dict[str, dict[str, AliasList]] = {
    "acls": {"src": _SOURCE, "dst": _DESTINATION_WITH_PORTS},
    "grants": {"src": _SOURCE, "dst": _DESTINATION, "via": _TAG},
    "ssh": {"src": _SSH_SOURCE, "dst": _SSH_DESTINATION},
    "nodeAttrs": {"target": _TARGET},
    "tests": {"accept": _TESTED, "deny": _TESTED},
    "sshTests": {},
}
"""The lists of names in each rule of a section."""

_MAPS: dict[Path, AliasList] = {
    ("groups",): _MEMBER,
    ("tagOwners",): _OWNER,
    ("autoApprovers", "routes"): _APPROVER,
}
"""The lists of names by name."""


def references(document: Document) -> Iterator[tuple[Path, str, AliasList]]:
    """Yield each name that a policy refers to, with its place."""
    for section, lists in _LISTS.items():
        for index, rule in enumerate(rules_in(document, section)):
            for name, alias_list in lists.items():
                yield from _listed((section, index, name), rule.get(name), alias_list)
            if section in {"tests", "sshTests"} and "src" in rule:
                yield (section, index, "src"), rule["src"], _SOURCE
    for path, alias_list in _MAPS.items():
        for name, members in section_at(document, path).items():
            yield from _listed((*path, name), members, alias_list)
    approvers = section_at(document, ("autoApprovers",))
    yield from _listed(("autoApprovers", "exitNode"), approvers.get("exitNode"), _APPROVER)


def users_named_in(document: Document) -> Iterator[tuple[Path, str]]:
    """Yield each name of a user in a policy, with its place."""
    for path, alias, alias_list in references(document):
        name = alias.rpartition(":")[0] if alias_list.has_ports else alias
        if kind_of(name) == "user":
            yield path, name


def _listed(path: Path, names: list[str] | None, alias_list: AliasList) -> Iterator[tuple[Path, str, AliasList]]:
    for index, alias in enumerate(items_of(names)):
        yield (*path, index), alias, alias_list
