"""What Headscale refuses within one rule of `acls` or `grants`, beyond the names in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from headscale_component.spec.policy.aliases import kind_of
from headscale_component.spec.policy.document import Path, Rule, Version, items_of
from headscale_component.spec.policy.ports import (
    ALL_PORTS,
    NUMBERS,
    has_ports,
    port_ranges,
    protocol_of,
    split_destination,
)

Wrong = Iterator[tuple[Path, str]]
"""Places within a rule, each with what is wrong there."""


class Context(NamedTuple):
    """What a rule is judged by, beside itself.

    Attributes:
        hosts: The hosts of the policy: their addresses by name.
        version: Headscale's version, None where it is not known.
    """

    hosts: Mapping[str, str]
    version: Version | None


def protocol_is_known(rule: Rule, context: Context) -> Wrong:
    """Find a protocol that a version does not read."""
    proto = rule.get("proto")
    if protocol_of(proto, context.version) is not None:
        return
    if isinstance(proto, int) and protocol_of(str(proto), context.version) is not None:
        yield ("proto",), f'`{proto}` has to be a text for Headscale 0.26; write `"{proto}"`'
    elif protocol_of(str(proto).lower(), context.version) is not None:
        yield ("proto",), f"`{proto}` has to be in small letters for Headscale 0.26; write `{str(proto).lower()}`"
    elif protocol_of(proto, None) is not None:
        name = protocol_of(proto, None) or ""
        number = NUMBERS.get(name, name)
        yield ("proto",), f'`{proto}` is no protocol to Headscale {_minor(context.version)}; write `"{number}"`'
    else:
        yield ("proto",), f"`{proto}` is no protocol; write `tcp`, `udp`, `icmp`, or 6"


def _minor(version: Version | None) -> str:
    return ".".join(map(str, version or ()))


def ports_are_of_the_protocol(rule: Rule, context: Context) -> Wrong:
    """Find ports with a protocol that has none."""
    protocol = protocol_of(rule.get("proto"), context.version)
    if protocol is None or has_ports(protocol):
        return
    named = protocol_of(protocol, None)
    remedy = f", or `proto: {named}`" if named and named != protocol and has_ports(named) else ""
    for index, alias in enumerate(items_of(rule.get("dst"))):
        host, ports = split_destination(alias, context.version) or ("", "*")
        if any(ports != ALL_PORTS for ports in port_ranges(ports, context.version) or ()):
            yield ("dst", index), f"`{protocol}` has no ports; write `{host}:*`{remedy}"


_PEOPLE = frozenset({"user", "group", "autogroup:member"})


def autogroup_self_in_acls(rule: Rule, context: Context) -> Wrong:
    """Find sources without machines of their own, where `autogroup:self` is a destination."""
    hosts = [(split_destination(alias, context.version) or ("", ""))[0] for alias in items_of(rule.get("dst"))]
    return _check_autogroup_self(rule, hosts, _PEOPLE | {"*"})


def autogroup_self_in_grants(rule: Rule, _: Context) -> Wrong:
    """Find the same in grants, where `*` is no source of `autogroup:self` either."""
    return _check_autogroup_self(rule, items_of(rule.get("dst")), _PEOPLE)


def _check_autogroup_self(rule: Rule, destinations: list[str], allowed: frozenset[str]) -> Wrong:
    if "autogroup:self" not in {alias.strip() for alias in destinations}:
        return
    for index, source in enumerate(items_of(rule.get("src"))):
        if kind_of(source.strip()) not in allowed:
            text = f"`{source}` has no machines of its own, so Headscale 0.29 refuses it with `autogroup:self`"
            yield ("src", index), f"{text}; make another rule for it"


def grant_allows_something(rule: Rule, _: Context) -> Wrong:
    """Find a grant of nothing."""
    if not rule.get("ip") and not rule.get("app"):
        yield (), 'allows nothing: give `ip`, as `["443"]` or `["*"]`, or `app`'


def granted_ports(rule: Rule, context: Context) -> Wrong:
    """Find ports of a grant that are none: a number, a range, `*`, or a protocol before one of these."""
    for index, text in enumerate(items_of(rule.get("ip"))):
        protocol, colon, ports = text.rpartition(":")
        # Here, and nowhere else, capitals count, and `*` is no protocol.
        is_protocol = protocol == protocol.lower() and protocol_of(protocol, context.version) is not None
        leading_zero = protocol.startswith("0")
        if (colon and (not is_protocol or leading_zero)) or port_ranges(ports, context.version) is None:
            yield ("ip", index), f"`{text}` names no ports; write `443`, `8000-8100`, `tcp:443` or `*`"


_NAMED_CAPABILITIES = frozenset(
    f"tailscale.com/cap/{name}" for name in ("drive", "relay", "webui", "kubernetes", "tsidp")
)


def granted_capabilities(rule: Rule, _: Context) -> Wrong:
    """Find capabilities that may not be granted."""
    capabilities = rule.get("app") or {}
    for name in capabilities:
        if "://" in name:
            yield ("app", name), "is a URL; write the capability without `https://`, as `example.com/cap/name`"
        elif name.startswith("tailscale.com/") and name not in _NAMED_CAPABILITIES:
            choice = ", ".join(f"`{known}`" for known in sorted(_NAMED_CAPABILITIES))
            yield ("app", name), f"is not granted by Headscale; of tailscale.com it grants {choice}"
    if not capabilities:
        return
    for index, alias in enumerate(items_of(rule.get("dst"))):
        if alias.strip() == "autogroup:internet":
            yield ("dst", index), "`autogroup:internet` has no applications; write `ip` instead of `app`"


def granted_default_route(rule: Rule, _: Context) -> Wrong:
    """Find a destination of all addresses that is written as a network."""
    for index, alias in enumerate(items_of(rule.get("dst"))):
        if kind_of(alias.strip()) == "address" and alias.strip().endswith("/0"):
            yield ("dst", index), f"`{alias}` is every address; write `autogroup:internet`, or `*` for the tailnet"
