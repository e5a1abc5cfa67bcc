"""Which kinds of names Headscale takes at each place of a policy, by version: its engine's own tables, as data.

Every row is of one place and holds from one version up to the next row of that place. The integration tests hold the
rows against real servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headscale_component.spec.policy.document import Version
from headscale_core.values.versions import HeadscaleVersion

_V0_26, _V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in (26, 27, 28, 29))
_ENGINE = "https://github.com/juanfont/headscale/blob/{}/hscontrol/policy/v2/{}"


@dataclass(frozen=True, slots=True)
class Row:
    """What may stand at a place, from one version on.

    Attributes:
        place: The section and the key, as `acls.src`; a section of names is one place.
        since: The first minor version.
        kinds: The kinds of names, an autogroup by its full name.
        source: The URL of the rule in Headscale's engine.
        trims: Whether spaces around a name are ignored.
    """

    place: str
    since: HeadscaleVersion
    kinds: frozenset[str]
    source: str
    trims: bool = False


def _row(place: str, since: HeadscaleVersion, kinds: str, source: str, *, trims: bool = False) -> Row:
    tag, _, where = source.partition(" ")
    return Row(place, since, frozenset(kinds.split()), _ENGINE.format(tag, where), trims)


_ANY = "user group tag host address * "
_PEOPLE_AND_TAGS = "user group tag "
_MEMBERS = "autogroup:member autogroup:tagged "
_ALL = "autogroup:danger-all "

ROWS = (
    _row("groups", _V0_26, "user", "v0.26.1 types.go#L741"),
    _row("tagOwners", _V0_26, "user group", "v0.26.1 types.go#L703"),
    _row("tagOwners", _V0_28, _PEOPLE_AND_TAGS, "v0.28.0 types.go#L934"),
    _row("autoApprovers", _V0_26, _PEOPLE_AND_TAGS, "v0.26.1 types.go#L634"),
    _row("acls.src", _V0_26, _ANY, "v0.26.1 types.go#L952"),
    _row("acls.src", _V0_27, _ANY + _MEMBERS, "v0.27.1 types.go#L1595"),
    _row("acls.src", _V0_29, _ANY + _MEMBERS + _ALL, "v0.29.3 types.go#L2107", trims=True),
    _row("acls.dst", _V0_26, _ANY + "autogroup:internet", "v0.26.1 types.go#L953"),
    _row("acls.dst", _V0_27, _ANY + _MEMBERS + "autogroup:internet autogroup:self", "v0.27.1 types.go#L1596"),
    _row("ssh.src", _V0_26, _PEOPLE_AND_TAGS, "v0.26.1 types.go#L1251"),
    _row("ssh.src", _V0_27, _PEOPLE_AND_TAGS + _MEMBERS, "v0.27.1 types.go#L1918"),
    _row("ssh.src", _V0_29, _PEOPLE_AND_TAGS + _MEMBERS, "v0.29.3 types.go#L3007", trims=True),
    _row("ssh.dst", _V0_26, "user tag *", "v0.26.1 types.go#L1290"),
    _row("ssh.dst", _V0_27, "user tag host * autogroup:self " + _MEMBERS, "v0.27.1 types.go#L1941"),
    _row("ssh.dst", _V0_28, "user tag host autogroup:self " + _MEMBERS, "v0.28.0 types.go#L1951"),
    _row("ssh.dst", _V0_29, "user tag autogroup:self " + _MEMBERS, "v0.29.3 types.go#L3028", trims=True),
    _row("grants.src", _V0_29, _ANY + _MEMBERS + _ALL, "v0.29.3 types.go#L2107", trims=True),
    _row(
        "grants.dst",
        _V0_29,
        _ANY + _MEMBERS + "autogroup:internet autogroup:self",
        "v0.29.3 types.go#L2108",
        trims=True,
    ),
    _row("grants.via", _V0_29, "tag", "v0.29.3 types.go#L1983"),
    _row("nodeAttrs.target", _V0_29, _ANY + _MEMBERS, "v0.29.3 types.go#L2111", trims=True),
    _row("tests.src", _V0_29, _ANY + _MEMBERS + _ALL + "autogroup:internet", "v0.29.3 test.go#L328"),
    # A test resolves its destination without a node, by which `autogroup:self` never is anything.
    _row("tests.dst", _V0_29, _ANY + _MEMBERS + _ALL, "v0.29.3 types.go#L3375"),
    # Each address of the source is counted: of everybody's, until the server has no memory left.
    _row("sshTests.src", _V0_29, "user group tag host address " + _MEMBERS, "v0.29.3 sshtest.go#L393", trims=True),
    _row("sshTests.dst", _V0_29, _ANY + _MEMBERS + _ALL + "autogroup:self", "v0.29.3 types.go#L3445", trims=True),
)


def kinds_at(place: str, version: Version | None) -> frozenset[str]:
    """Return which kinds of names may stand at a place; of a version that is not known, those of any."""
    rows = [row for row in ROWS if row.place == place]
    if version is None:
        return frozenset().union(*(row.kinds for row in rows))
    return next((row.kinds for row in reversed(rows) if row.since <= version), rows[0].kinds)


def trims_at(place: str, version: Version | None) -> bool:
    """Return whether spaces around a name are ignored at a place."""
    return any(row.trims for row in ROWS if row.place == place and (version is None or row.since <= version))


def other_versions(place: str, kind: str, version: Version | None) -> str:
    """Return which other versions take a kind of names at a place, as a clause; empty where none does."""
    if version is None:
        return ""
    taken = list(_taken(place, kind))
    later = next((since for since, is_taken in taken if is_taken and since > version), None)
    if later:
        return f" before Headscale {later}"
    last = max((since for since, is_taken in taken if is_taken), default=None)
    gone = next((since for since, _ in taken if last is not None and since > last), None)
    return f" from Headscale {gone} on" if gone else ""


def _taken(place: str, kind: str) -> Iterator[tuple[HeadscaleVersion, bool]]:
    for row in ROWS:
        if row.place == place:
            yield row.since, kind in row.kinds
