"""What a version of Headscale does not read in a policy's file. From YAML it gets a policy without these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headscale_component.spec.errors import Problem
from headscale_component.spec.policy.document import NEWER_KEYS, NEWER_SECTIONS, Document, Version, rules_in, section_at
from headscale_component.spec.policy.file import known_objects, name_of_key
from headscale_component.spec.policy.model import PolicySpec
from headscale_core.values.versions import POLICY_GRANTS, Feature, HeadscaleVersion

_V0_26, _V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in (26, 27, 28, 29))
_ENGINE = "https://github.com/juanfont/headscale/blob/{}/hscontrol/policy/v2/types.go#{}"
_NEWER_NAMES = frozenset({*NEWER_SECTIONS, *NEWER_KEYS.values()})
_MEMBERS_IN_LISTS = Feature(since=_V0_27)
"""A group is a list, also where it is empty:
https://github.com/juanfont/headscale/blob/v0.27.1/hscontrol/policy/v2/types.go#L1040."""
_CAPITALS_ALONE = Feature(until=_V0_26)
"""`encoding/json` ignores capitals, and not `_` and `-`, as the JSON of later versions does:
https://pkg.go.dev/encoding/json#Unmarshal."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A value that a version does not read in a file.

    Attributes:
        section: The section of the rule.
        key: The key in it.
        find: Returns what is wrong with a value, None for nothing.
        versions: The versions that have the limit.
        source: The URL of the type in Headscale's engine.
    """

    section: str
    key: str
    find: Callable[[Any], str | None]
    versions: Feature
    source: str


def _null(value: object) -> str | None:
    return "is null, which Headscale does not read here; leave it out" if value is None else None


def _spaces(value: object) -> str | None:
    if isinstance(value, str) and value != value.strip():
        return f"`{value}` has spaces around it, which Headscale before 0.29 does not read; write `{value.strip()}`"
    return None


def _number(value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'`{value}` has to be a text for Headscale before 0.29; write `"{value}"`' if is_number else None


_LIMITS = (
    _Limit("acls", "proto", _null, Feature(since=_V0_27), _ENGINE.format("v0.27.1", "L1455")),
    _Limit("tests", "proto", _null, Feature(since=_V0_29), _ENGINE.format("v0.29.3", "L1842")),
    _Limit("ssh", "action", _spaces, Feature(until=_V0_28), _ENGINE.format("v0.28.0", "L1262")),
    _Limit("ssh", "checkPeriod", _null, Feature(until=_V0_28), _ENGINE.format("v0.28.0", "L1903")),
    _Limit("ssh", "checkPeriod", _number, Feature(until=_V0_28), _ENGINE.format("v0.28.0", "L1903")),
    _Limit("ssh", "acceptEnv", _null, Feature(since=_V0_27, until=_V0_28), _ENGINE.format("v0.27.1", "L30")),
)


def values_refused(document: Document, version: Version | None) -> Iterator[Problem]:
    """Find values that a version does not read.

    Args:
        document: The policy of the file, under Headscale's own names.
        version: The version, None where it is not known.
    """
    if version is None:
        return
    for limit in _LIMITS:
        for index, rule in enumerate(rules_in(document, limit.section) if limit.versions.is_in(version) else ()):
            problem = limit.find(rule[limit.key]) if isinstance(rule, Mapping) and limit.key in rule else None
            if problem:
                yield Problem((limit.section, index, limit.key), problem)
    for name, members in section_at(document, ("groups",)).items() if _MEMBERS_IN_LISTS.is_in(version) else ():
        if members is None:
            yield Problem(("groups", name), "is null, which Headscale does not read here; write `[]`")
    for section in NEWER_SECTIONS:
        if document.get(section, "") is None and not POLICY_GRANTS.is_in(version):
            yield Problem((section,), "needs Headscale 0.29 or newer; leave it out")


def ignored_keys(document: Document, version: Version | None) -> Iterator[Problem]:
    """Find keys with `_` or `-` in them, which 0.26 does not know and ignores; not those that came with 0.29.

    Args:
        document: The policy of the file as it was written.
        version: The version, None where it is not known.
    """
    if version is None or not _CAPITALS_ALONE.is_in(version):
        return
    for path, keys, model in known_objects(document):
        for key in keys:
            name = name_of_key(key, model)
            is_newer = name in _NEWER_NAMES or (bool(path) and name_of_key(str(path[0]), PolicySpec) in NEWER_SECTIONS)
            if name is not None and name.lower() != key.lower() and not is_newer:
                yield Problem((*path, key), f"is ignored by Headscale 0.26; write `{name}`")
