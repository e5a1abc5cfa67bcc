"""What Headscale 0.29 refuses within one rule of `nodeAttrs`, `tests` or `sshTests`, beyond the names in it."""

from __future__ import annotations

from headscale_component.spec.networks import address_bits, is_network
from headscale_component.spec.policy.acl_rules import Context, Wrong
from headscale_component.spec.policy.document import Rule, items_of
from headscale_component.spec.policy.ports import port_ranges, protocol_of, split_destination

_MOST_ADDRESS_BITS = 16
"""Our limit: 65536 addresses take no noticeable memory, 16 million of a /8 take it all."""
_TESTED_PROTOCOLS = frozenset({"", "tcp", "udp", "sctp"})


def attributes_are_supported(rule: Rule, _: Context) -> Wrong:
    """Find attributes that Headscale has not built yet."""
    for index, attribute in enumerate(items_of(rule.get("attr"))):
        if attribute == "funnel":
            text = "`funnel` is refused: Headscale has no Funnel yet; leave it out"
            yield ("attr", index), f"{text} (https://github.com/juanfont/headscale/issues/2527)"
    if rule.get("ipPool"):
        text = "is refused: Headscale gives no addresses from pools yet; leave it out"
        yield ("ipPool",), f"{text} (https://github.com/juanfont/headscale/issues/2912)"


def expects_something(rule: Rule, _: Context) -> Wrong:
    """Find a test without an expectation."""
    if not rule.get("accept") and not rule.get("deny"):
        yield (), 'tests nothing: give `accept` or `deny`, as `["tag:web:443"]`'


def tested_protocol_has_ports(rule: Rule, context: Context) -> Wrong:
    """Find a test by a protocol without ports."""
    protocol = protocol_of(rule.get("proto"), context.version)
    if protocol is not None and protocol not in _TESTED_PROTOCOLS:
        yield ("proto",), f"`{rule['proto']}` cannot be tested; write `tcp`, `udp` or `sctp`, or leave it out"


def expects_one_port_of_one_host(rule: Rule, context: Context) -> Wrong:
    """Find expectations of several ports, or of a network."""
    for key in ("accept", "deny"):
        for index, alias in enumerate(items_of(rule.get(key))):
            host, ports = split_destination(alias, context.version) or ("", "")
            ranges = port_ranges(ports, context.version) or []
            if ranges and (len(ranges) > 1 or ranges[0][0] != ranges[0][1]):
                yield (key, index), f"`{alias}` names several ports; write one, as `{host}:22`"
            elif "/" in host and is_network(host):
                yield (key, index), f"`{host}` is a network; write one address of it"
            elif _is_network_of_a_host(host, context):
                yield (key, index), f"`{host}` is a network under `hosts`; write one address of it"


def expects_some_login(rule: Rule, _: Context) -> Wrong:
    """Find a test of logins without a source, a destination or an expectation."""
    if not rule.get("src", "").strip():
        yield ("src",), "is empty; write who logs in, as `alice@`"
    if not rule.get("dst"):
        yield ("dst",), "is empty; write where they log in, as `tag:web`"
    if not any(rule.get(key) for key in ("accept", "deny", "check")):
        yield (), 'tests nothing: give `accept`, `deny` or `check`, as `["root"]`'


def expects_countable_source(rule: Rule, context: Context) -> Wrong:
    """Find a source of so many addresses that counting each of them, as Headscale does, takes all its memory."""
    source = rule.get("src", "").strip()
    network = context.hosts.get(source, source)
    if is_network(network) and address_bits(network) > _MOST_ADDRESS_BITS:
        yield ("src",), f"`{source}` has too many addresses, each of which Headscale counts; write a user, tag or host"


def expects_logins_on_hosts(rule: Rule, context: Context) -> Wrong:
    """Find a test of logins on a network."""
    for index, written in enumerate(items_of(rule.get("dst"))):
        alias = written.strip()
        if (is_network(alias) and address_bits(alias)) or _is_network_of_a_host(alias, context):
            yield ("dst", index), f"`{alias}` is a network; write one address, a tag or a user"


def _is_network_of_a_host(name: str, context: Context) -> bool:
    network = context.hosts.get(name, "")
    return is_network(network) and address_bits(network) > 0
