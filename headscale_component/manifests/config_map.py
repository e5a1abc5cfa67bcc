"""The ConfigMap that holds `config.yaml`."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import files, names
from headscale_component.manifests.config_yaml import config_tree, to_yaml
from headscale_component.spec import HeadscaleArgs

FILE = "config.yaml"


def config_text(spec: HeadscaleArgs) -> str | pulumi.Output[str]:
    """Return `config.yaml`: a plain string unless a leaf of it is an Output."""
    tree = config_tree(spec)
    if _contains_output(tree):
        return pulumi.Output.from_input(tree).apply(to_yaml)
    return to_yaml(tree)


def config_map(instance: str, spec: HeadscaleArgs, text: str | pulumi.Output[str]) -> k8s.core.v1.ConfigMapInitArgs:
    """Return the immutable ConfigMap with the configuration.

    It has no name of its own: the Kubernetes provider appends a random suffix to the resource's, so a change creates a
    new object, rolls the pod by the name in its template, and then removes the old one. A name made of the content
    would meet itself again where a failed change is taken back.
    """
    return k8s.core.v1.ConfigMapInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(namespace=spec.namespace, labels=names.labels(instance, spec)),
        immutable=True,
        data={FILE: text, **files.inline_data(spec)},
    )


def _contains_output(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_contains_output, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_contains_output, value))
    return isinstance(value, pulumi.Output)
