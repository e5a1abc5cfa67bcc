"""What a configuration does that nobody wants without knowing, and that Headscale takes all the same."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headscale_component.spec.config.addresses import is_loopback, port_of
from headscale_component.spec.model import is_output
from headscale_component.spec.note import Note

if TYPE_CHECKING:
    from headscale_component.spec.config import HeadscaleConfig
    from headscale_component.spec.instance import HeadscaleArgs

_FIRST_UNPRIVILEGED_PORT = 1024
_EXAMPLES = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "1.2.3.4/32"))
)
"""Addresses of documentation (RFC 5737, RFC 3849), and that of `config-example.yaml` before 0.27."""


_UNPRIVILEGED = {
    "listen_addr": "0.0.0.0:8080",
    "metrics_listen_addr": "0.0.0.0:9090",
    "tls_letsencrypt_listen": "0.0.0.0:8089",
}
"""The defaults, which are free."""


def config_notes(instance: HeadscaleArgs) -> list[Note]:
    """Return what is legal and probably not meant: addresses that nobody reaches, ports that a pod may not open.

    Args:
        instance: The instance, which is valid.
    """
    config = instance.config
    return [*_server_url(config), *_metrics(config), *_low_ports(config), *_relay_addresses(config)]


def _server_url(config: HeadscaleConfig) -> Iterator[Note]:
    if is_output(config.server_url):
        return
    host = urlsplit(config.server_url).hostname or ""
    if is_loopback(f"{host}:0"):
        text = f"`{host}` is each client's own machine; write the address that clients use"
        yield Note("address-not-reached", ("config", "server_url"), text)


def _metrics(config: HeadscaleConfig) -> Iterator[Note]:
    address = config.metrics_listen_addr
    if address and is_loopback(address):
        text = (
            f"`{address}` is reached from inside the pod alone, and no port of the metrics Service leads there; write "
            f"`0.0.0.0:{port_of(address)}` to have it scraped"
        )
        yield Note("address-not-reached", ("config", "metrics_listen_addr"), text)


def _low_ports(config: HeadscaleConfig) -> Iterator[Note]:
    """Find ports that containerd opens to everybody from 2.0 on alone (containerd/containerd#6924)."""
    addresses = {"listen_addr": config.listen_addr, "metrics_listen_addr": config.metrics_listen_addr}
    if config.answers_acme:
        addresses["tls_letsencrypt_listen"] = config.tls_letsencrypt_listen
    for key, address in addresses.items():
        if address and port_of(address) < _FIRST_UNPRIVILEGED_PORT:
            text = (
                f"port {port_of(address)} is below {_FIRST_UNPRIVILEGED_PORT}, and Headscale is not root: where the "
                f"container runtime does not allow it, it does not start; write another port, as `{_UNPRIVILEGED[key]}`"
            )
            yield Note("privileged-port", ("config", key), text)


def _relay_addresses(config: HeadscaleConfig) -> Iterator[Note]:
    server = config.derp.server
    if server.enabled is not True:
        return
    for key, address in (("ipv4", server.ipv4), ("ipv6", server.ipv6)):
        if isinstance(address, str) and any(ipaddress.ip_address(address) in network for network in _EXAMPLES):
            text = (
                f"`{address}` is an example's address, to which clients would send their traffic; write the relay's "
                "own, or leave it out"
            )
            yield Note("address-not-reached", ("config", "derp", "server", key), text)
