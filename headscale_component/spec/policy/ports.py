"""Ports and protocols of a policy, as each version of Headscale reads them.

Sources: `parsePortRange` and `splitDestinationAndPort` in
https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/utils.go#L36, and `Protocol` in
https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L1842.
"""

from __future__ import annotations

import re

from headscale_component.spec.networks import is_network
from headscale_component.spec.policy.document import Version
from headscale_core.values.versions import Feature, HeadscaleVersion

ALL_PORTS = (0, 65535)
_PORT = re.compile(r"\+?0*[0-9]{1,5}")
_INTEGER = re.compile(r"[+-]?0*[0-9]{1,9}")
_LAST_PROTOCOL = 255

_PORTS_FROM_ONE = Feature(since=HeadscaleVersion(0, 27))
"""Port 0 is refused: https://github.com/juanfont/headscale/blob/v0.27.1/hscontrol/policy/v2/utils.go#L36."""
BRACKETS = Feature(since=HeadscaleVersion(0, 29))
"""Brackets around an IPv6 address with ports: `splitDestinationAndPort` of 0.29."""
_TYPED_PROTOCOLS = Feature(since=HeadscaleVersion(0, 27))
"""Protocols as JSON numbers and in capitals, and none above 255:
https://github.com/juanfont/headscale/blob/v0.27.1/hscontrol/policy/v2/types.go#L1455; before,
https://github.com/juanfont/headscale/blob/v0.26.1/hscontrol/policy/v2/utils.go#L124."""
_NUMBERS_ARE_NAMES = Feature(since=HeadscaleVersion(0, 29))
"""`6` is `tcp`, and there are `ipv6-icmp` and `fc`: `Protocol.UnmarshalJSON` of 0.29."""

NUMBERS = {
    "icmp": 1,
    "igmp": 2,
    "ipv4": 4,
    "ip-in-ip": 4,
    "tcp": 6,
    "egp": 8,
    "igp": 9,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "sctp": 132,
    "fc": 133,
}
"""Protocols by name, as https://www.iana.org/assignments/protocol-numbers has them."""
_NEWER_NAMES = frozenset({"ipv6-icmp", "fc"})
_WITH_PORTS = frozenset({"", "tcp", "udp", "sctp"})


def is_in(feature: Feature, version: Version | None) -> bool:
    """Return whether a version has a feature; one that is not known is taken for the newest."""
    return feature.until is None if version is None else feature.is_in(version)


def split_destination(text: str, version: Version | None) -> tuple[str, str] | None:
    """Return a destination and its ports, None where it has none or brackets stand wrongly."""
    if text.startswith("[") and is_in(BRACKETS, version):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in address or not is_network(address) or "/" in address or rest[:1] not in {":", "/"}:
            return None
        text = address + rest
    host, _, ports = text.rpartition(":")
    return (host, ports) if host and ports else None


def port_ranges(text: str, version: Version | None) -> list[tuple[int, int]] | None:
    """Return what ports a text such as `22,8000-8100` or `*` names, None where Headscale does not read it."""
    if text == "*":
        return [ALL_PORTS]
    ranges = []
    for part in text.split(","):
        ends = [end for end in part.split("-") if end] if "-" in part else [part, part]
        if len(ends) != 2 or not all(_PORT.fullmatch(end) for end in ends):  # noqa: PLR2004 - two ends
            return None
        first, last = (int(end) for end in ends)
        is_zero = last == 0 and "-" not in part and is_in(_PORTS_FROM_ONE, version)
        if first > last or last > ALL_PORTS[1] or is_zero:
            return None
        ranges.append((first, last))
    return ranges


def protocol_of(proto: str | int | None, version: Version | None) -> str | None:
    """Return a protocol as Headscale names it to itself, empty for the default, None where it is refused."""
    if isinstance(proto, bool):
        return None
    if not is_in(_TYPED_PROTOCOLS, version):
        return _untyped_protocol(proto)
    text = str("" if proto is None else proto).lower()
    has_newer = is_in(_NUMBERS_ARE_NAMES, version)
    number = int(text) if _INTEGER.fullmatch(text) else None
    if has_newer and number in NUMBERS.values():
        return next(name for name, value in NUMBERS.items() if value == number)
    if number is not None:
        return text if number in range(_LAST_PROTOCOL + 1) and not text.startswith("0") else None
    is_name = text in NUMBERS and (has_newer or text not in _NEWER_NAMES)
    return text if is_name or not text else None


def _untyped_protocol(proto: str | int | None) -> str | None:
    """Return a protocol as 0.26 reads it: a JSON text alone, in small letters, or any number in it."""
    if isinstance(proto, int):
        return None
    text = proto or ""
    is_known = not text or text in NUMBERS.keys() - _NEWER_NAMES or _INTEGER.fullmatch(text)
    return text if is_known else None


def has_ports(protocol: str) -> bool:
    """Return whether Headscale takes single ports with a protocol, by the name that it has to itself."""
    return protocol in _WITH_PORTS
