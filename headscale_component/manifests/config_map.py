"""The ConfigMap that holds `config.yaml`."""

from __future__ import annotations

import hashlib

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.manifests.config_yaml import config_tree, to_yaml
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.model import is_output

FILE = "config.yaml"


def config_text(spec: HeadscaleArgs) -> str | pulumi.Output[str]:
    """Return `config.yaml`: a plain string unless a leaf of it is an Output."""
    tree = config_tree(spec)
    if _holds_output(tree):
        return pulumi.Output.from_input(tree).apply(to_yaml)
    return to_yaml(tree)


def config_map_name(instance: str, text: str | pulumi.Output[str]) -> str | pulumi.Output[str]:
    """Return the name: the hash of the content is in it, so a change makes a new object and rolls the pod."""
    if isinstance(text, str):
        return _name(instance, text)
    return text.apply(lambda known: _name(instance, known))


def config_map(instance: str, spec: HeadscaleArgs, text: str | pulumi.Output[str]) -> k8s.core.v1.ConfigMapInitArgs:
    """Return the immutable ConfigMap with the configuration."""
    return k8s.core.v1.ConfigMapInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=config_map_name(instance, text),
            namespace=spec.namespace,
            labels=names.labels(instance, spec),
        ),
        immutable=True,
        data={FILE: text},
    )


def _name(instance: str, text: str) -> str:
    return f"{names.config_map_prefix(instance)}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _holds_output(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_output, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_output, value))
    return is_output(value)
