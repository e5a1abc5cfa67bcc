"""What Headscale refuses within one rule of `ssh`, beyond the names in it."""

from __future__ import annotations

import re
from datetime import timedelta

from headscale_component.spec.policy.acl_rules import Context, Wrong
from headscale_component.spec.policy.aliases import kind_of
from headscale_component.spec.policy.document import Rule, items_of
from headscale_core.values.durations import duration_seconds

_LONGEST_CHECK = timedelta(hours=168)
_PROMETHEUS_DURATION = re.compile(r"0|(?=[0-9])([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?")
"""The grammar of Prometheus, https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations."""
_DAYS_OR_WEEKS = re.compile(r"([0-9]{1,4})([dw])")


def check_users_named(rule: Rule, _: Context) -> Wrong:
    """Find logins as nobody and as everybody."""
    users = rule.get("users")
    if users == []:
        yield ("users",), "names nobody, which Headscale 0.29 and newer refuse; write `root` or `autogroup:nonroot`"
    for index, user in enumerate(items_of(users)):
        if user.strip() in {"", "*"}:
            text = f"`{user}` is no user to Headscale 0.29 and newer; write `autogroup:nonroot`, and `root` where meant"
            yield ("users", index), text


def only_nonroot_is_a_group(rule: Rule, _: Context) -> Wrong:
    """Find autogroups of the tailnet among the users of a machine."""
    for index, user in enumerate(items_of(rule.get("users"))):
        if user.startswith("autogroup:") and user != "autogroup:nonroot":
            yield ("users", index), f"`{user}` is no group that may stand here; may: `autogroup:nonroot`"


def variables_are_named(rule: Rule, _: Context) -> Wrong:
    """Find variables without a name."""
    for index, name in enumerate(items_of(rule.get("acceptEnv"))):
        if not name:
            yield ("acceptEnv", index), "is empty; write the name of a variable, as `LANG` or `LC_*`"


def check_period_of_prometheus(rule: Rule, _: Context) -> Wrong:
    """Find a period that is not in Prometheus' notation."""
    period = rule.get("checkPeriod")
    if period is not None and not _PROMETHEUS_DURATION.fullmatch(period):
        yield (
            ("checkPeriod",),
            f"`{period}` is no time to Headscale before 0.29; write whole numbers with units, as `12h` or `1d`",
        )


def check_period_of_go(rule: Rule, _: Context) -> Wrong:
    """Find a period that is not in Go's notation, negative, or longer than a week."""
    period = rule.get("checkPeriod")
    if period is None or period == "always":
        return
    try:
        seconds = duration_seconds(period.removeprefix("+"), allow_days=False)
    except ValueError:
        is_zero = period.startswith("-") and _is_zero(period[1:])
        if not is_zero:
            yield ("checkPeriod",), _no_go_duration(period)
        return
    if seconds > _LONGEST_CHECK.total_seconds():
        yield ("checkPeriod",), f"`{period}` is above `168h`, the most that Headscale 0.29 and newer take; write less"


def _is_zero(period: str) -> bool:
    try:
        return duration_seconds(period, allow_days=False) == 0
    except ValueError:
        return False


def _no_go_duration(period: str) -> str:
    if re.fullmatch(r"-[0-9.]+[a-zµ]+.*", period):
        return f"`{period}` is in the past; write a time such as `12h`, or `always`"
    days = _DAYS_OR_WEEKS.fullmatch(period)
    hours = int(days[1]) * (24 if days[2] == "d" else 168) if days else 24
    write = f"`{min(hours, 168)}h`"
    if days:
        return f"`{period}` is no time to Headscale 0.29 and newer, which know no days or weeks; write {write}"
    return (
        f"`{period}` is no time to Headscale 0.29 and newer; write hours, minutes and seconds, as {write}, or `always`"
    )


def check_period_needs_check(rule: Rule, _: Context) -> Wrong:
    """Find a period of a rule that checks nothing."""
    if rule.get("checkPeriod") is not None and rule.get("action") != "check":
        yield ("checkPeriod",), "is for `action: check`, and refused with another by Headscale 0.29; leave it out"


def login_stays_with_its_user(rule: Rule, _: Context) -> Wrong:
    """Find logins on somebody's machines by tags or by other people."""
    sources = [source.strip() for source in items_of(rule.get("src"))]
    tagged = [source for source in sources if kind_of(source) in {"tag", "autogroup:tagged"}]
    many = [source for source in sources if kind_of(source) in {"group", "autogroup:member"}]
    users = {source for source in sources if kind_of(source) == "user"}
    for index, written in enumerate(items_of(rule.get("dst"))):
        alias = written.strip()
        path, kind = ("dst", index), kind_of(alias)
        if kind in {"user", "autogroup:self", "autogroup:member"} and tagged:
            text = f"`{alias}` is people's, where `{tagged[0]}` may not log in; make a rule of its own for tags, with "
            yield path, f"{text}tags or `autogroup:tagged` as `dst`"
        elif kind == "user" and (many or users != {alias}):
            yield path, f"only `{alias}` may log in on `{alias}`; write `autogroup:self` for everybody's own machines"
