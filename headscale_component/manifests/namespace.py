"""The namespace, where the instance is declared to create it."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from headscale_component.spec import HeadscaleArgs


def namespace_patch(spec: HeadscaleArgs) -> k8s.core.v1.NamespacePatchArgs:
    """Return a patch that creates the namespace, or labels the one that is there.

    A patch, because a namespace holds the data and so outlives its instance: the Kubernetes provider refuses to
    create an object that exists, and a later `up` would stop there.
    """
    return k8s.core.v1.NamespacePatchArgs(
        metadata=k8s.meta.v1.ObjectMetaPatchArgs(
            name=spec.namespace,
            labels=dict(spec.namespace_labels) or None,
            annotations={"pulumi.com/patchForce": "true"},
        ),
    )
