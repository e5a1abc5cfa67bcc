"""The Services: one for clients, one for metrics."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config.addresses import is_loopback, port_of

_NO_WAIT = {"pulumi.com/skipAwait": "true"}
"""The provider waits a flat 10 s for a ClusterIP Service; the StatefulSet's readiness is what counts."""


def service(instance: str, spec: HeadscaleArgs, config: dict[str, str]) -> k8s.core.v1.ServiceInitArgs:
    """Return the Service for clients: HTTP, gRPC, STUN where the embedded relay runs, ACME where it is answered.

    Args:
        instance: The instance's name.
        spec: The instance.
        config: Listen addresses by port name, see `listen_addresses`.
    """
    ports = [
        _port(
            name,
            names.ACME_PORT if name == names.ACME_PORT_NAME else port_of(address),
            "UDP" if name == names.STUN_PORT_NAME else "TCP",
            target=port_of(address),
        )
        for name, address in config.items()
        if name != names.METRICS_PORT_NAME
    ]
    return _service(instance, instance, spec, ports)


def metrics_service(instance: str, spec: HeadscaleArgs, config: dict[str, str]) -> k8s.core.v1.ServiceInitArgs:
    """Return the Service for metrics: Headscale's, and the sidecar's beside them."""
    return _service(names.metrics_service(instance), instance, spec, _metrics_ports(spec, config))


def serves_metrics(spec: HeadscaleArgs, config: dict[str, str]) -> bool:
    """Return whether there are metrics outside of the pod: the API server takes no Service without ports."""
    return bool(_metrics_ports(spec, config))


def _metrics_ports(spec: HeadscaleArgs, config: dict[str, str]) -> list[k8s.core.v1.ServicePortArgs]:
    ports = []
    address = config.get(names.METRICS_PORT_NAME)
    if address is not None and not is_loopback(address):
        ports.append(_port(names.METRICS_PORT_NAME, port_of(address), "TCP"))
    if spec.api_key.auto_manage:
        ports.append(_port("sidecar", names.SIDECAR_HEALTH_PORT, "TCP"))
    return ports


def listen_addresses(spec: HeadscaleArgs, tree: dict[str, object]) -> dict[str, str]:
    """Return what listens where, by port name, from the finished configuration."""
    addresses = {names.HTTP_PORT_NAME: str(tree["listen_addr"])}
    for name, key in ((names.GRPC_PORT_NAME, "grpc_listen_addr"), (names.METRICS_PORT_NAME, "metrics_listen_addr")):
        if tree.get(key):
            addresses[name] = str(tree[key])
    if spec.config.derp.server.enabled:
        addresses[names.STUN_PORT_NAME] = spec.config.derp.server.stun_listen_addr
    if spec.config.answers_acme:
        addresses[names.ACME_PORT_NAME] = spec.config.tls_letsencrypt_listen
    return addresses


def _port(name: str, number: int, protocol: str, target: int | None = None) -> k8s.core.v1.ServicePortArgs:
    return k8s.core.v1.ServicePortArgs(name=name, port=number, target_port=target or number, protocol=protocol)


def _service(
    name: str, instance: str, spec: HeadscaleArgs, ports: list[k8s.core.v1.ServicePortArgs]
) -> k8s.core.v1.ServiceInitArgs:
    return k8s.core.v1.ServiceInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=name,
            namespace=spec.namespace,
            labels=names.labels(instance, spec),
            annotations=dict(_NO_WAIT),
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="ClusterIP",
            selector=names.selector(instance),
            ports=ports,
            # There is one pod. Where its sidecar cannot keep the API key, clients must reach Headscale all the same.
            publish_not_ready_addresses=True,
        ),
    )
