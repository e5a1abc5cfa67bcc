"""Reads a kubeconfig, without a request to the cluster.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dynamic_providers.errors import ClusterError, ClusterUnreachable

Document = dict[str, Any]

POD_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod has its own account; it is used where there is no kubeconfig."""

_LISTS = ("clusters", "contexts", "users")
_FILES = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
"""Fields that hold paths; relative ones start at the kubeconfig's folder."""


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster, and the credentials for it.

    Attributes:
        document: A kubeconfig with a single context; None for the pod's own account.
        source: Where it stands, in words, for messages.
        server: Address of the API server; empty for that of the pod's own cluster.
        plugin: The command that returns the credentials; None where they are in the kubeconfig.
    """

    document: Document | None
    source: str
    server: str = ""
    plugin: str | None = None


def access(kubeconfig: str | None, context: str | None, cluster: str | None = None) -> Access:
    """Return the cluster that is meant.

    Args:
        kubeconfig: Its text or path; None for the files of `KUBECONFIG`, or `~/.kube/config`.
        context: The context in it; None for the current one.
        cluster: The cluster in it, in place of the context's.

    Raises:
        ClusterUnreachable: When there is no kubeconfig, or no such context or cluster in it.
        ClusterError: When it cannot be read.
    """
    source = _source(kubeconfig)
    if not _is_text(kubeconfig) and not _existing(kubeconfig):
        if kubeconfig is None and context is None and (POD_ACCOUNT / "token").exists():
            return Access(None, "the pod's own service account")
        raise ClusterUnreachable(
            f"there is no kubeconfig: {source} does not exist; write where it is into `KUBECONFIG`, or "
            "`kubernetes:kubeconfig` of the stack"
        )
    document = read(kubeconfig)
    name = context or document.get("current-context") or _only(document)
    if not name:
        raise ClusterUnreachable(
            f"{source} has no current context; set `kubernetes:context` to one of {_names(document, 'contexts')}"
        )
    chosen = _entry(document, "contexts", name, source)
    its_cluster, its_user = cluster or chosen.get("cluster"), chosen.get("user")
    endpoint = _entry(document, "clusters", its_cluster, source)
    user = _entry(document, "users", its_user, source) if its_user else {}
    if not endpoint.get("server"):
        raise ClusterError(f"cluster `{its_cluster}` of {source} has no `server`")
    if user.get("tokenFile"):
        user = {**user, "token": _text_of(Path(user["tokenFile"])).strip()}
    one = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": its_cluster, "user": its_user or ""}}],
        "clusters": [{"name": its_cluster, "cluster": endpoint}],
        "users": [{"name": its_user or "", "user": user}],
    }
    plugin = (user.get("exec") or {}).get("command")
    return Access(one, f"context `{name}` of {source}", str(endpoint["server"]), plugin)


def with_files(document: Document, folder: Path) -> tuple[Document, dict[Path, bytes]]:
    """Return a kubeconfig whose certificates and keys are in files, and those files.

    Args:
        document: The kubeconfig of `Access`.
        folder: Where the files are to be.

    Raises:
        ClusterError: When one of them is not base64.
    """
    files: dict[Path, bytes] = {}
    changed: Document = dict(document)
    for kind in ("cluster", "user"):
        entries = []
        for value in _listed(document, f"{kind}s"):
            inner = dict(value.get(kind) or {})
            for field in ("certificate-authority", "client-certificate", "client-key"):
                if data := inner.pop(f"{field}-data", None):
                    try:
                        files[folder / field] = base64.b64decode(data, validate=True)
                    except ValueError:
                        raise ClusterError(f"`{field}-data` of the kubeconfig is not base64") from None
                    inner[field] = str(folder / field)
            entries.append({**value, kind: inner})
        changed[f"{kind}s"] = entries
    return changed, files


def read(kubeconfig: str | None) -> Document:
    """Return a kubeconfig, with absolute paths; the first file that sets a value wins, as for kubectl.

    Raises:
        ClusterError: When it cannot be read, or is no kubeconfig.
    """
    if kubeconfig and _is_text(kubeconfig):
        return _parsed(kubeconfig, _source(kubeconfig))
    merged: Document = {}
    for path in _existing(kubeconfig):
        for key, value in _absolute(_parsed(_text_of(path), str(path)), path.parent).items():
            if key in _LISTS and isinstance(value, list):
                merged[key] = [*merged.get(key, []), *value]
            elif value:
                merged.setdefault(key, value)
    return merged


def load(kubeconfig: str | None) -> Document:
    """Return a kubeconfig, empty where none can be read.

    Args:
        kubeconfig: Its text or path; None for the files of `KUBECONFIG`, or `~/.kube/config`.
    """
    try:
        return read(kubeconfig)
    except ClusterError:
        return {}


def server(document: Mapping[str, Any], context: str | None = None, cluster: str | None = None) -> str | None:
    """Return the address of the API server, None where the kubeconfig has none.

    Args:
        document: The kubeconfig.
        context: The context in it; None for the current one.
        cluster: The cluster in it, in place of the context's.
    """
    value = _named(document, "contexts", context or document.get("current-context") or _only(document)) or {}
    found = _named(document, "clusters", cluster or value.get("cluster")) or {}
    address = found.get("server")
    return str(address).rstrip("/") if address else None


def _is_text(kubeconfig: str | None) -> bool:
    return bool(kubeconfig) and ("\n" in str(kubeconfig) or str(kubeconfig).lstrip().startswith("{"))


def _paths(kubeconfig: str | None) -> list[Path]:
    paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return [Path(path).expanduser() for path in paths.split(os.pathsep) if path]


def _existing(kubeconfig: str | None) -> list[Path]:
    return [path for path in _paths(kubeconfig) if path.exists()]


def _source(kubeconfig: str | None) -> str:
    return (
        "the given kubeconfig"
        if _is_text(kubeconfig)
        else f"kubeconfig {os.pathsep.join(map(str, _paths(kubeconfig)))}"
    )


def _entry(document: Document, kind: str, name: object, source: str) -> Mapping[str, Any]:
    found = _named(document, kind, name)
    if found is None:
        kind_of_error = ClusterError if kind == "users" else ClusterUnreachable
        raise kind_of_error(f"there is no {kind[:-1]} `{name}` in {source}; it has {_names(document, kind)}")
    return found


def _named(document: Mapping[str, Any], kind: str, name: object) -> Mapping[str, Any] | None:
    """Return what stands under a name; empty where that is nothing, None where there is no such name."""
    found = next((value for value in _listed(document, kind) if value.get("name") == name), None)
    inner = found.get(kind[:-1]) if found else None
    return (inner if isinstance(inner, Mapping) else {}) if found else None


def _listed(document: Mapping[str, Any], kind: str) -> Iterable[Mapping[str, Any]]:
    entries = document.get(kind)
    return [value for value in entries if isinstance(value, Mapping)] if isinstance(entries, list) else []


def _names(document: Mapping[str, Any], kind: str) -> str:
    return ", ".join(f"`{value.get('name')}`" for value in _listed(document, kind)) or "none"


def _only(document: Mapping[str, Any]) -> str | None:
    """Return the name of the context where there is but one."""
    names = [str(value.get("name")) for value in _listed(document, "contexts")]
    return names[0] if len(names) == 1 else None


def _absolute(document: Document, folder: Path) -> Document:
    """Return a kubeconfig whose paths are absolute."""
    changed = dict(document)
    for kind in ("cluster", "user"):
        entries = []
        for value in _listed(document, f"{kind}s"):
            inner = dict(value.get(kind) or {})
            for field in _FILES[kind]:
                if inner.get(field):
                    inner[field] = str(folder / inner[field])
            plugin = inner.get("exec")
            if isinstance(plugin, Mapping) and os.sep in str(plugin.get("command")):
                inner["exec"] = {**plugin, "command": str(folder / plugin["command"])}
            entries.append({**value, kind: inner})
        if entries:
            changed[f"{kind}s"] = entries
    return changed


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(f"{path} cannot be read: {error}") from None


def _parsed(text: str, source: str) -> Document:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ClusterError(f"{source} is not YAML{line}; see `kubectl config view`") from None
    if not isinstance(document, dict):
        raise ClusterError(f"{source} is no kubeconfig: it holds no mapping; see `kubectl config view`")
    return document
