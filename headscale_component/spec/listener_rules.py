"""Where the pod listens: addresses that somebody reaches, and one port for each listener.

Headscale, the sidecar and containers of `pod.containers` share the pod's network
(https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headscale_component.spec.config.addresses import is_everywhere, is_loopback, port_of
from headscale_component.spec.config.types import GRPC_LISTEN_ADDRESS
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.valid_part import rule
from headscale_core.defaults import RELAY_PORT, SIDECAR_HEALTH_PORT
from headscale_core.values.versions import METRICS_CAN_BE_OFF

if TYPE_CHECKING:
    from headscale_component.spec.config import HeadscaleConfig
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]

ACME_PORT = 80
"""Where a certificate authority asks by HTTP-01, whatever Headscale listens on (RFC 8555, section 8.3)."""

_STUN: Path = ("derp", "server", "stun_listen_addr")


@rule
def check_ports(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find one port for two listeners."""
    config = instance.config
    listeners: dict[Path, str | None] = {
        ("config", "listen_addr"): config.listen_addr,
        ("config", "metrics_listen_addr"): config.metrics_listen_addr,
        ("config", "grpc_listen_addr"): config.grpc_listen_addr or GRPC_LISTEN_ADDRESS,
        ("config", "tls_letsencrypt_listen"): config.tls_letsencrypt_listen if config.answers_acme else None,
    }
    taken = _ports_of_sidecar(instance)
    for path, address in listeners.items():
        if address:
            port = port_of(address)
            if port in taken:
                yield Problem(path, f"port {port} is that of {taken[port]} too; give another one")
            taken.setdefault(port, f"`{path[-1]}`")


def _ports_of_sidecar(instance: HeadscaleArgs) -> dict[int, str]:
    if not instance.api_key.auto_manage:
        return {}
    return {SIDECAR_HEALTH_PORT: "the sidecar's health endpoint", RELAY_PORT: "the sidecar's relay"}


@rule
def check_ports_of_containers(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a container of a person's own with a port that the pod has already."""
    config = instance.config
    taken = _ports_of_sidecar(instance) | {port_of(config.listen_addr): "`config.listen_addr`"}
    if config.metrics_listen_addr:
        taken[port_of(config.metrics_listen_addr)] = "`config.metrics_listen_addr`"
    for index, container in enumerate(instance.pod.containers):
        yield from _taken_ports(("pod", "containers", index), container, taken)


@rule
def _taken_ports(path: Path, container: Mapping[str, Any], taken: Mapping[int, str]) -> Iterator[Problem]:
    for place, port in enumerate(_ports_of(container)):
        if isinstance(port, int) and port in taken:
            yield Problem(
                (*path, "ports", place, "containerPort"),
                f"port {port} is that of {taken[port]} too, and containers of a pod share their ports; give another",
            )


def _ports_of(container: Mapping[str, Any]) -> Iterator[object]:
    ports = container.get("ports")
    for port in ports if isinstance(ports, list | tuple) else ():
        if isinstance(port, Mapping) and port.get("protocol", "TCP") == "TCP":
            number = port.get("containerPort")
            yield number if isinstance(number, int) else None
        else:
            yield None


@rule
def check_acme_port(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find port 80 of the Service for two listeners: for the certificate authority, and for another one."""
    config = instance.config
    if not config.answers_acme:
        return
    for key in ("listen_addr", "grpc_listen_addr"):
        address = getattr(config, key)
        if address and port_of(address) == ACME_PORT and port_of(config.tls_letsencrypt_listen) != ACME_PORT:
            yield Problem(
                ("config", key),
                "is port 80, on which the certificate authority asks by HTTP-01 (`tls_letsencrypt_listen`); give "
                "another one, as `0.0.0.0:8080`",
            )


@rule
def check_reached(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a listener that the Service and the probes do not reach, or of an address that the pod does not have."""
    for path, address in _served(instance.config):
        if not is_everywhere(address):
            port = port_of(address)
            why = (
                "is reached from inside the pod alone, and probes and Services come from outside"
                if is_loopback(address)
                else "is no address that every pod has, and Headscale does not start without it"
            )
            yield Problem(
                ("config", *path), f"`{address}` {why}; write `0.0.0.0:{port}`, or leave it out for the default"
            )


def _served(config: HeadscaleConfig) -> Iterator[tuple[Path, str]]:
    """Yield the addresses to which something comes from outside of the pod."""
    yield ("listen_addr",), config.listen_addr
    if config.derp.server.enabled is True:
        yield _STUN, config.derp.server.stun_listen_addr
    if config.answers_acme:
        yield ("tls_letsencrypt_listen",), config.tls_letsencrypt_listen


@rule
def check_metrics_address(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find metrics that are off, in a version that cannot switch them off."""
    minor, address = instance.minor_version, instance.config.metrics_listen_addr
    if minor is not None and not METRICS_CAN_BE_OFF.is_in(minor) and not address:
        yield Problem(("config", "metrics_listen_addr"), "can be off from 0.28 on; give an address, as `0.0.0.0:9090`")
