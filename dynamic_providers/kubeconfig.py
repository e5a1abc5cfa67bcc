"""What a kubeconfig says, without asking the cluster.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

_LISTS = ("clusters", "contexts", "users")


def load(kubeconfig: str | None) -> Document:
    """Return a kubeconfig, empty where none can be read.

    Args:
        kubeconfig: Its text or path; None for the files of `KUBECONFIG`, or `~/.kube/config`.
    """
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return _parsed(kubeconfig)
    paths = (kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")).split(os.pathsep)
    merged: Document = {}
    for path in filter(None, paths):
        try:
            document = _parsed(Path(path).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        # The first file that says something wins, as for kubectl.
        for key, value in document.items():
            if key in _LISTS and isinstance(value, list):
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged.setdefault(key, value)
    return merged


def server(document: Mapping[str, Any], context: str | None = None, cluster: str | None = None) -> str | None:
    """Return the address of the API server, None where it cannot be told.

    Args:
        document: The kubeconfig.
        context: The context in it; None for the current one.
        cluster: The cluster in it, in place of the context's.
    """
    its = _named(document, "contexts", context or document.get("current-context")).get("context") or {}
    found = _named(document, "clusters", cluster or its.get("cluster")).get("cluster") or {}
    address = found.get("server")
    return str(address).rstrip("/") if address else None


def with_cluster(document: Document, context: str | None, cluster: str) -> Document:
    """Return a kubeconfig whose context leads to another of its clusters."""
    name = context or document.get("current-context")
    contexts = [
        {**its, "context": {**(its.get("context") or {}), "cluster": cluster}} if its.get("name") == name else its
        for its in document.get("contexts") or ()
    ]
    return {**document, "contexts": contexts}


def _named(document: Mapping[str, Any], kind: str, name: object) -> Mapping[str, Any]:
    entries = document.get(kind)
    listed = entries if isinstance(entries, list) else []
    return next((its for its in listed if isinstance(its, Mapping) and its.get("name") == name), {})


def _parsed(text: str) -> Document:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return document if isinstance(document, dict) else {}
