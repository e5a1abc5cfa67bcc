"""What single rules of a policy may say in one version of Headscale and not in another.

From `validate` and the types that it reads, in hscontrol/policy/v2/types.go of each version; a test holds the table
against real servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headscale_component.spec.errors import Problem
from headscale_component.spec.policy import Document
from headscale_component.spec.policy_parts import Path, Version, items_of, kind_of, rules_in
from headscale_core.values.durations import parse_duration

_0_27, _0_28, _0_29 = (0, 27), (0, 28), (0, 29)
_LONGEST_CHECK = timedelta(hours=168)
_PROMETHEUS_DURATION = re.compile(r"0|(?=\d)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
"""The grammar of Prometheus, https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations."""
_WITH_PORTS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})

Rule = Mapping[str, Any]
Wrong = Iterator[tuple[Path, str]]


def rules_refused(document: Document, version: Version | None) -> Iterator[Problem]:
    """Find what a version of Headscale refuses in the rules of a policy.

    Args:
        document: The policy.
        version: The version, None where it is not known: what some version takes is taken then.
    """
    for limit in _LIMITS:
        if not limit.holds_in(version):
            continue
        for index, rule in enumerate(rules_in(document, limit.section)):
            for path, text in limit.find(rule):
                yield Problem((limit.section, index, *path), text)


def tag_refused(tag: str, version: Version | None) -> str | None:
    """Return what is wrong with a tag's name in a version, None for nothing."""
    if version is None or version < _0_29 or re.match(r"tag:[A-Za-z]", tag):
        return None
    return f"`{tag}` has no letter behind `tag:`, which Headscale 0.29 and newer refuse; name it otherwise"


def _users_are_named(rule: Rule) -> Wrong:
    users = rule.get("users")
    if users == []:
        yield ("users",), "names nobody, which Headscale 0.29 and newer refuse; write `root` or `autogroup:nonroot`"
    for index, user in enumerate(items_of(users)):
        if user in ("", "*"):
            text = f"`{user}` is no user to Headscale 0.29 and newer; write `autogroup:nonroot`, and `root` where meant"
            yield ("users", index), text


def _only_nonroot_is_a_group(rule: Rule) -> Wrong:
    for index, user in enumerate(items_of(rule.get("users"))):
        if user.startswith("autogroup:") and user != "autogroup:nonroot":
            yield ("users", index), f"`{user}` is no group that may stand here; may: `autogroup:nonroot`"


def _check_period_of_prometheus(rule: Rule) -> Wrong:
    period = rule.get("checkPeriod")
    if period is not None and not _PROMETHEUS_DURATION.fullmatch(period):
        yield (
            ("checkPeriod",),
            f"`{period}` is no time to Headscale before 0.29; write whole numbers with units, as `12h` or `1d`",
        )


def _check_period_of_go(rule: Rule) -> Wrong:
    period = rule.get("checkPeriod")
    if period is None or period in {"always", "0", "+0", "-0"}:
        return
    try:
        duration = parse_duration(period)
    except ValueError:
        duration = None
    if duration is None or "d" in period:
        hours = f"{min(duration, _LONGEST_CHECK) / timedelta(hours=1):g}h" if duration else "24h"
        yield (
            ("checkPeriod",),
            f"`{period}` is no time to Headscale 0.29 and newer, which know no days; write `{hours}`, or `always`",
        )
    elif duration > _LONGEST_CHECK:
        yield ("checkPeriod",), f"`{period}` is above `168h`, the most that Headscale 0.29 and newer take; write less"


def _check_period_needs_check(rule: Rule) -> Wrong:
    if rule.get("checkPeriod") is not None and rule.get("action") != "check":
        yield ("checkPeriod",), "is for `action: check`, and refused with another by Headscale 0.29; leave it out"


def _login_stays_with_its_user(rule: Rule) -> Wrong:
    sources = items_of(rule.get("src"))
    tagged = [source for source in sources if kind_of(source) in {"tag", "autogroup:tagged"}]
    many = [source for source in sources if kind_of(source) in {"group", "autogroup:member"}]
    users = {source for source in sources if kind_of(source) == "user"}
    for index, alias in enumerate(items_of(rule.get("dst"))):
        path, kind = ("dst", index), kind_of(alias)
        if kind in {"user", "autogroup:self", "autogroup:member"} and tagged:
            text = f"`{alias}` is people's, where `{tagged[0]}` may not log in; make a rule of its own for tags, with "
            yield path, f"{text}tags or `autogroup:tagged` as `dst`"
        elif kind == "user" and (many or users != {alias}):
            yield path, f"only `{alias}` may log in on `{alias}`; write `autogroup:self` for everybody's own machines"


def _own_machines_are_peoples(rule: Rule, *, allowed: frozenset[str]) -> Wrong:
    destinations = items_of(rule.get("dst"))
    if not any(alias.startswith("autogroup:self") for alias in destinations):
        return
    for index, source in enumerate(items_of(rule.get("src"))):
        if kind_of(source) not in allowed:
            text = f"`{source}` has no machines of its own, so Headscale 0.29 refuses it with `autogroup:self`"
            yield ("src", index), f"{text}; make another rule for it"


_PEOPLE = frozenset({"user", "group", "autogroup:member"})


def _own_machines_in_acls(rule: Rule) -> Wrong:
    return _own_machines_are_peoples(rule, allowed=_PEOPLE | {"*"})


def _own_machines_in_grants(rule: Rule) -> Wrong:
    return _own_machines_are_peoples(rule, allowed=_PEOPLE)


def _ports_are_of_the_protocol(rule: Rule) -> Wrong:
    protocol = str(rule.get("proto") or "tcp").lower()
    if protocol in _WITH_PORTS:
        return
    for index, alias in enumerate(items_of(rule.get("dst"))):
        host, _, ports = alias.rpartition(":")
        if ports not in {"*", "0-65535"}:
            yield ("dst", index), f"`{protocol}` has no ports; write `{host}:*`"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit to what the rules of a section may say, from a version on, or before one."""

    section: str
    find: Callable[[Rule], Wrong]
    since: Version = (0, 0)
    before: Version | None = None

    def holds_in(self, version: Version | None) -> bool:
        """Return whether a version has it; one that is not known has those of every version alone."""
        if version is None:
            return self.since == (0, 0) and self.before is None
        return self.since <= version and (self.before is None or version < self.before)


_LIMITS = (
    _Limit("acls", _ports_are_of_the_protocol, since=_0_27),
    _Limit("acls", _own_machines_in_acls, since=_0_29),
    _Limit("grants", _own_machines_in_grants, since=_0_29),
    _Limit("ssh", _only_nonroot_is_a_group, before=_0_29),
    _Limit("ssh", _users_are_named, since=_0_29),
    _Limit("ssh", _check_period_of_prometheus, before=_0_29),
    _Limit("ssh", _check_period_of_go, since=_0_29),
    _Limit("ssh", _check_period_needs_check, since=_0_29),
    _Limit("ssh", _login_stays_with_its_user, since=_0_28),
)
