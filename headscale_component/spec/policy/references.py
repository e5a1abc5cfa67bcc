"""Where a policy names users, groups, tags, hosts and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from headscale_component.spec.policy.aliases import kind_of
from headscale_component.spec.policy.document import Document, Path, items_of, rules_in, section_at


class Reference(NamedTuple):
    """A name in a policy.

    Attributes:
        path: Where it stands.
        alias: The name, with its ports where the place has any.
        place: Which row of `places` judges it.
        has_ports: Whether ports stand behind it.
    """

    path: Path
    alias: str
    place: str
    has_ports: bool = False


_LISTS: dict[str, dict[str, tuple[str, bool]]] = {
    "acls": {"src": ("acls.src", False), "dst": ("acls.dst", True)},
    "grants": {"src": ("grants.src", False), "dst": ("grants.dst", False), "via": ("grants.via", False)},
    "ssh": {"src": ("ssh.src", False), "dst": ("ssh.dst", False)},
    "nodeAttrs": {"target": ("nodeAttrs.target", False)},
    "tests": {"accept": ("tests.dst", True), "deny": ("tests.dst", True)},
    "sshTests": {"dst": ("sshTests.dst", False)},
}
"""The lists of names in each rule of a section, with their place and whether they have ports."""

_MAPS: dict[Path, str] = {
    ("groups",): "groups",
    ("tagOwners",): "tagOwners",
    ("autoApprovers", "routes"): "autoApprovers",
}
"""The lists of names by name."""


def references(document: Document) -> Iterator[Reference]:
    """Yield each name that a policy refers to, with its place."""
    for section, lists in _LISTS.items():
        for index, rule in enumerate(rules_in(document, section)):
            for key, (place, has_ports) in lists.items():
                yield from _listed((section, index, key), rule.get(key), place, has_ports=has_ports)
            if section in {"tests", "sshTests"} and "src" in rule:
                yield Reference((section, index, "src"), rule["src"], f"{section}.src")
    for path, place in _MAPS.items():
        for name, members in section_at(document, path).items():
            yield from _listed((*path, name), members, place)
    approvers = section_at(document, ("autoApprovers",))
    yield from _listed(("autoApprovers", "exitNode"), approvers.get("exitNode"), "autoApprovers")


def users_named_in(document: Document) -> Iterator[tuple[Path, str]]:
    """Yield each name of a user in a policy, with its place."""
    for reference in references(document):
        name = reference.alias.rpartition(":")[0] if reference.has_ports else reference.alias
        if kind_of(name) == "user":
            yield reference.path, name


def _listed(path: Path, names: list[str] | None, place: str, *, has_ports: bool = False) -> Iterator[Reference]:
    for index, alias in enumerate(items_of(names)):
        yield Reference((*path, index), alias, place, has_ports)
