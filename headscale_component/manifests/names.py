"""Names, labels and ports: what people and other programs hold on to."""

from __future__ import annotations

from headscale_component.spec import HeadscaleArgs, listener_rules
from headscale_core import defaults

HTTP_PORT_NAME = "http"
GRPC_PORT_NAME = "grpc"
METRICS_PORT_NAME = "metrics"
STUN_PORT_NAME = "stun"
ACME_PORT_NAME = "acme"

ACME_PORT = listener_rules.ACME_PORT
"""Where a certificate authority asks by HTTP-01 (RFC 8555), whatever Headscale listens on."""

RELAY_PORT = defaults.RELAY_PORT
"""Where the sidecar relays to Headscale's socket, on the pod's loopback only."""

SIDECAR_HEALTH_PORT = defaults.SIDECAR_HEALTH_PORT
"""Where the sidecar answers probes and serves its metrics."""

NON_ROOT = 65532
"""User and group of both containers: `nonroot` in distroless images, and those of headscale-operator."""


def config_map(instance: str) -> str:
    """Return what the ConfigMap's name begins with; a random suffix follows."""
    return f"{instance}-config"


def config_secrets(instance: str) -> str:
    """Return what the name of the Secret with the configuration's own secrets begins with; a random suffix follows."""
    return f"{instance}-config-secrets"


def metrics_service(instance: str) -> str:
    """Return the name of the metrics Service."""
    return f"{instance}-metrics"


def pvc_name(instance: str) -> str:
    """Return the name that the StatefulSet gives its PVC, the same as under headscale-operator."""
    return defaults.pvc_name(instance)


def selector(instance: str) -> dict[str, str]:
    """Return the labels that never change: a StatefulSet's selector cannot."""
    return {defaults.NAME_LABEL: defaults.APP_NAME, defaults.INSTANCE_LABEL: instance}


def labels(instance: str, spec: HeadscaleArgs, component: str = "control-server") -> dict[str, str]:
    """Return the recommended labels of Kubernetes for an object of the instance."""
    return selector(instance) | {
        defaults.COMPONENT_LABEL: component,
        defaults.VERSION_LABEL: spec.version[:63].rstrip("-._"),
        defaults.MANAGED_BY_LABEL: defaults.MANAGER,
        defaults.PART_OF_LABEL: defaults.APP_NAME,
    }
