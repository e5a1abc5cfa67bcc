"""Addresses and networks of policies and configurations, as Go reads them."""

from __future__ import annotations

import ipaddress
import re

_BITS = re.compile(r"0|[1-9][0-9]*")


def is_network(text: str) -> bool:
    """Return whether a text is an address or a network to Go: its length is in bits, never a netmask.

    Source: `ParsePrefix`, https://pkg.go.dev/net/netip#ParsePrefix.
    """
    address, slash, bits = text.rpartition("/") if "/" in text else (text, "", "")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not slash or (bool(_BITS.fullmatch(bits)) and int(bits) <= parsed.max_prefixlen and "%" not in address)


def address_bits(network: str) -> int:
    """Return how many bits of a network tell its addresses apart: none for a single address."""
    address, slash, bits = network.rpartition("/")
    return ipaddress.ip_address(address).max_prefixlen - int(bits) if slash else 0
