"""What an instance makes in the cluster, as plain documents: with no engine and no cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from headscale_component.manifests import wire
from headscale_component.manifests.objects import CONFIG_SECRETS, objects
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.model import EncryptedValue

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
    return yaml.dump_all(rendered, Dumper=_Dumper, explicit_start=True, sort_keys=False, allow_unicode=True)


_NO_TEXT_TO_KUBECTL = re.compile(
    r"[yYnN]|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xXoObB][0-9a-fA-F_]+"
)
"""Texts that are flags and numbers to kubectl, beside those to PyYAML, which quotes them by itself.

Source: https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go.
"""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # whichever PyYAML was built with
    """Writes texts of several lines as they are."""


def _scalar(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else "'" if _NO_TEXT_TO_KUBECTL.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _scalar)
_Dumper.add_representer(EncryptedValue, lambda dumper, value: _scalar(dumper, repr(value)))
