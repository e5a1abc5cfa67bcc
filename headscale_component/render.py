"""What an instance makes in the cluster, as plain documents: with no engine and no cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headscale_component.manifests import wire, yaml_text
from headscale_component.manifests.objects import CONFIG_SECRETS, objects
from headscale_component.spec import HeadscaleArgs

Document = dict[str, Any]

SUFFIX = "-xxxxxxxx"
"""Stands for what the Kubernetes provider appends to a name that it makes."""


def documents(name: str, spec: HeadscaleArgs) -> list[Document]:
    """Return every object of an instance, in an order in which each comes after those that it needs.

    Args:
        name: The instance's name.
        spec: The instance; its secrets are references, which show names and no values.
    """
    listed = objects(name, name, spec)
    in_cluster = {item.key: item.name + SUFFIX if item.is_autonamed else item.name for item in listed}
    found = []
    for item in listed:
        if item.key == CONFIG_SECRETS:
            # Its values are known to Pulumi alone.
            continue
        document = {
            "apiVersion": item.api_version,
            "kind": item.kind,
            **wire.plain(item.arguments(in_cluster.__getitem__)),
        }
        if item.is_autonamed:
            document["metadata"]["name"] = in_cluster[item.key]
        found.append(document)
    return found


def to_yaml(rendered: Iterable[Document]) -> str:
    """Return documents as one YAML text; a text of several lines, such as `config.yaml`, stays readable in it."""
    return yaml_text.many_documents(rendered)
