"""The Secret with those values of the configuration that a program gave as Outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs


def config_secrets(
    instance: str, spec: HeadscaleArgs, values: Mapping[tuple[str, ...], Any]
) -> k8s.core.v1.SecretInitArgs:
    """Return the immutable Secret; like the ConfigMap it has no name of its own, so that a change creates a new one.

    Args:
        instance: The instance's name.
        spec: The instance.
        values: The values by path in the configuration; each stands under its dotted path.
    """
    return k8s.core.v1.SecretInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(namespace=spec.namespace, labels=names.labels(instance, spec)),
        immutable=True,
        string_data={".".join(path): pulumi.Output.secret(value) for path, value in values.items()},
    )
