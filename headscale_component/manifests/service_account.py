"""The sidecar's identity."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs


def service_account(instance: str, spec: HeadscaleArgs) -> k8s.core.v1.ServiceAccountInitArgs:
    """Return the ServiceAccount; its token is mounted into the sidecar alone."""
    return k8s.core.v1.ServiceAccountInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=instance, namespace=spec.namespace, labels=names.labels(instance, spec, "api-key")
        ),
        automount_service_account_token=False,
    )
