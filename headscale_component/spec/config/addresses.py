"""Checks of addresses in the configuration: listeners, URLs, domains, networks, nameservers and proxies.

A message never holds the user and password of a URL: messages go into the logs of CI.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from headscale_component.spec.credentials import without_credentials
from headscale_component.spec.networks import is_network

_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]*\]|[^:\[\]\s]*):(?P<port>[a-z]+|[0-9]+)")
_NAMED_PORTS = {"http": 80, "https": 443}
_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?")
_HOST_LETTERS = r"[^\x00-\x20\\^`{|}%]*"
_HOST_OF_GO = re.compile(rf"{_HOST_LETTERS}(:{_HOST_LETTERS}%25.+)?")
"""A host as Go reads one, with `%25` before the zone of an IPv6 address (https://go.dev/src/net/url/url.go)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def port_of(endpoint: str) -> int:
    """Return the port of an endpoint that was checked."""
    port = endpoint.rpartition(":")[2]
    return _NAMED_PORTS.get(port) or int(port)


def is_everywhere(endpoint: str) -> bool:
    """Return whether an endpoint that was checked is on all addresses of the pod, as `0.0.0.0:8080` or `:8080`."""
    host = _host_of(endpoint)
    address = _ip(host)
    return not host or (address is not None and address.is_unspecified)


def is_loopback(endpoint: str) -> bool:
    """Return whether only the pod itself reaches an endpoint that was checked, as `127.0.0.1:8080`."""
    address = _ip(_host_of(endpoint))
    return _host_of(endpoint) == "localhost" or (address is not None and address.is_loopback)


def _host_of(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]").lower()


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def endpoint(text: str) -> str:
    """Check an address to listen on, as Go's `net.Listen` takes it (https://pkg.go.dev/net#Listen)."""
    match = _HOST_PORT.fullmatch(text)
    port = match["port"] if match else ""
    if not match or not (port in _NAMED_PORTS or (port.isdigit() and 1 <= int(port) <= 65535)):  # noqa: PLR2004 - ports
        raise ValueError(f"`{text}` is no address to listen on; write host and port, as `0.0.0.0:8080` or `[::]:8080`")
    return text


def network(version: int) -> Callable[[str], str]:
    """Return a check of a range of addresses of an IP version, 4 or 6."""

    def check(text: str) -> str:
        host, slash, _ = text.partition("/")
        if not slash or not is_network(text) or ipaddress.ip_address(host).version != version:
            example = "100.64.0.0/10" if version == 4 else "fd7a:115c:a1e0::/48"  # noqa: PLR2004 - IP versions
            raise ValueError(f"`{text}` is no range of IPv{version} addresses; write for example `{example}`")
        return text

    return check


def proxies(text: str) -> str:
    """Check a range of proxies; Headscale does not start with one that holds everybody, whatever its address says."""
    if "/" not in text or not is_network(text):
        raise ValueError(f"`{text}` is no range of addresses; write for example `10.0.0.0/8`")
    if text.endswith("/0"):
        raise ValueError("would believe everybody, and Headscale does not start with it; name your proxies")
    return text


def address(text: str) -> str:
    """Check an IP address."""
    if _ip(text) is None:
        raise ValueError(f"`{text}` is no IP address")
    return text


def nameserver(text: str) -> str:
    """Check a DNS server that nodes ask."""
    parts = _split(text) if text.startswith("https://") else None
    if parts and parts.hostname:
        return text
    if _ip(text) is None:
        raise ValueError(
            f"`{without_credentials(text)}` is no nameserver; write an IP address, or the https:// address of DNS over "
            "HTTPS"
        )
    return text


def domain(text: str) -> str:
    """Check a domain name."""
    if _DOMAIN.fullmatch(text):
        return text
    raise ValueError(f"`{text}` is no domain name; write for example `tailnet.example.com`, without a dot at the end")


def http_url(text: str) -> str:
    """Check a URL that Headscale fetches."""
    parts = _split(text)
    if parts is None:
        raise ValueError(
            f"`{without_credentials(text)}` is no URL: its port has to be a number from 1 to 65535, an IPv6 address "
            "stands in brackets, `%` is written `%25`, and other signs than letters, digits, `-` and `.` are in no "
            "host; write for example `https://vpn.example.com:8443`"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
        raise ValueError(
            f"`{without_credentials(text)}` must begin with http:// or https:// and name a host, as "
            "`https://vpn.example.com`"
        )
    return text


def server_url(text: str) -> str:
    """Check the address that clients use.

    Headscale compares the scheme with its capitals, and parses the rest with Go's `net/url` (`server_url` in
    https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/types/config.go).
    """
    parts = _split(http_url(text))
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https:// in small letters; Headscale does not start with others")
    if parts and parts.username is not None:
        raise ValueError("must hold no user and password: every client gets this address; leave them out")
    if "?" in text or "#" in text:
        raise ValueError("must hold neither `?` nor `#`: clients add paths to it; leave out what follows them")
    return text


def _split(text: str) -> SplitResult | None:
    """Return the parts of a URL, None where Go does not read it (https://pkg.go.dev/net/url#Parse)."""
    try:
        parts = urlsplit(text)
        has_port_zero = parts.port == 0
    except ValueError:
        return None
    is_read = (
        _HOST_OF_GO.fullmatch(parts.hostname or "")
        and "[v" not in parts.netloc.lower()
        and not _CONTROL.search(text)
        and not _BROKEN_ESCAPE.search(parts.path + parts.fragment)
    )
    return parts if is_read and not has_port_zero else None
