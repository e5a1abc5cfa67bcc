"""What single rules of a policy may say in one version of Headscale and not in another: a table of limits.

From `validate` and the types that it reads, in hscontrol/policy/v2 of each version; a test holds the table against
real servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from headscale_component.spec.errors import Problem
from headscale_component.spec.policy import acl_rules as acl
from headscale_component.spec.policy import newer_rules as newer
from headscale_component.spec.policy import ssh_rules as ssh
from headscale_component.spec.policy.acl_rules import Context, Wrong
from headscale_component.spec.policy.document import (
    NEWER_KEYS,
    NEWER_SECTIONS,
    Document,
    Path,
    Rule,
    Version,
    rules_in,
    section_at,
)
from headscale_core.values.versions import POLICY_GRANTS, Feature, HeadscaleVersion

_V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in (27, 28, 29))
_ENGINE = "https://github.com/juanfont/headscale/blob/{}/hscontrol/policy/v2/{}"
_EVERY = Feature()
_SINCE_0_29 = Feature(since=_V0_29)
_TAGS_NEED_A_LETTER = _SINCE_0_29
"""https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L554."""
_NO_CYCLES = Feature(since=_V0_28, until=_V0_28)
"""https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/policy/v2/policy.go#L993."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit to what the rules of a section may say.

    Attributes:
        section: The section.
        find: Finds what is wrong in one rule of it.
        versions: The versions that have the limit.
        source: The URL of the rule in Headscale's engine.
        of_missing: Whether it finds what is missing, which nobody knows where a value is invalid.
    """

    section: str
    find: Callable[[Rule, Context], Wrong]
    versions: Feature
    source: str
    of_missing: bool = False

    def holds_in(self, version: Version | None) -> bool:
        """Return whether a version has it; one that is not known has those of every version alone."""
        return self.versions == _EVERY if version is None else self.versions.is_in(version)


def _limit(
    section: str, find: Callable[[Rule, Context], Wrong], versions: Feature, source: str, *, of_missing: bool = False
) -> _Limit:
    tag, _, where = source.partition(" ")
    return _Limit(section, find, versions, _ENGINE.format(tag, where), of_missing)


_LIMITS = (
    _limit("acls", acl.protocol_is_known, _EVERY, "v0.29.3 types.go#L1864"),
    _limit("acls", acl.ports_are_of_the_protocol, Feature(since=_V0_27), "v0.27.1 types.go#L2106"),
    _limit("acls", acl.autogroup_self_in_acls, _SINCE_0_29, "v0.29.3 types.go#L2312"),
    _limit("grants", acl.grant_allows_something, _EVERY, "v0.29.3 types.go#L2640", of_missing=True),
    _limit("grants", acl.granted_ports, _EVERY, "v0.29.3 types.go#L948"),
    _limit("grants", acl.granted_capabilities, _EVERY, "v0.29.3 types.go#L2357"),
    _limit("grants", acl.granted_default_route, _EVERY, "v0.29.3 types.go#L2667"),
    _limit("grants", acl.autogroup_self_in_grants, _EVERY, "v0.29.3 types.go#L2391"),
    _limit("ssh", ssh.only_nonroot_is_a_group, Feature(until=_V0_28), "v0.28.0 types.go#L1613"),
    _limit("ssh", ssh.check_users_named, _SINCE_0_29, "v0.29.3 types.go#L2530"),
    _limit("ssh", ssh.variables_are_named, _SINCE_0_29, "v0.29.3 types.go#L2544"),
    _limit("ssh", ssh.check_period_of_prometheus, Feature(until=_V0_28), "v0.28.0 types.go#L1898"),
    _limit("ssh", ssh.check_period_of_go, _SINCE_0_29, "v0.29.3 types.go#L2929"),
    _limit("ssh", ssh.check_period_needs_check, _SINCE_0_29, "v0.29.3 types.go#L2621"),
    _limit("ssh", ssh.login_stays_with_its_user, Feature(since=_V0_28), "v0.28.0 types.go#L1630"),
    _limit("nodeAttrs", newer.attributes_are_supported, _EVERY, "v0.29.3 types.go#L2816"),
    _limit("tests", acl.protocol_is_known, _EVERY, "v0.29.3 types.go#L1864"),
    _limit("tests", newer.expects_something, _EVERY, "v0.29.3 types.go#L3328", of_missing=True),
    _limit("tests", newer.tested_protocol_has_ports, _EVERY, "v0.29.3 types.go#L3328"),
    _limit("tests", newer.expects_one_port_of_one_host, _EVERY, "v0.29.3 types.go#L3375"),
    _limit("sshTests", newer.expects_some_login, _EVERY, "v0.29.3 types.go#L3409", of_missing=True),
    _limit("sshTests", newer.expects_countable_source, _EVERY, "v0.29.3 sshtest.go#L393"),
    _limit("sshTests", newer.expects_logins_on_hosts, _EVERY, "v0.29.3 types.go#L3445"),
)


def rules_refused(
    document: Document, whole: Document, version: Version | None, invalid: frozenset[str]
) -> Iterator[Problem]:
    """Find what a version of Headscale refuses in the rules of a policy.

    Args:
        document: The policy, or the part of it that is judged.
        whole: The whole policy, which defines the hosts.
        version: The version, None where it is not known: what some version takes is taken then.
        invalid: Sections with invalid values, which are not in the document.
    """
    context = Context(section_at(whole, ("hosts",)), version)
    for limit in _LIMITS:
        if not limit.holds_in(version) or (limit.of_missing and limit.section in invalid):
            continue
        for index, rule in enumerate(rules_in(document, limit.section)):
            for path, text in limit.find(rule, context):
                yield Problem((limit.section, index, *path), text)


def newer_parts(document: Document, version: Version | None) -> Iterator[Problem]:
    """Find sections and keys that a version does not have yet."""
    if version is None or POLICY_GRANTS.is_in(version):
        return
    paths: list[Path] = [(section,) for section in NEWER_SECTIONS if section in document]
    for section, key in NEWER_KEYS.items():
        paths += [(section, index, key) for index, rule in enumerate(rules_in(document, section)) if key in rule]
    for path in paths:
        yield Problem(path, "needs Headscale 0.29 or newer; leave it out")


def tag_refused(tag: str, version: Version | None) -> str | None:
    """Return what is wrong with a tag's name in a version, None for nothing."""
    if version is None or not _TAGS_NEED_A_LETTER.is_in(version) or re.match(r"tag:[A-Za-z]", tag):
        return None
    return f"`{tag}` has no letter behind `tag:`, which Headscale 0.29 and newer refuse; name it otherwise"


def owner_cycles(owners: Mapping[str, list[str]], version: Version | None) -> Iterator[Problem]:
    """Find tags that own themselves, at once or by way of others."""
    if version is None or not _NO_CYCLES.is_in(version):
        return
    for tag in owners:
        reached, new = set[str](), {tag}
        while new:
            new = {owner for name in new for owner in owners.get(name) or [] if owner in owners} - reached
            reached |= new
        if tag in reached:
            text = f"`{tag}` owns itself by way of its owners, which Headscale 0.28 refuses; take it out of the circle"
            yield Problem(("tagOwners", tag), text)
