"""What a change means: update or replace. Source of the table: section 2.1 of what was seen of the official one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.standins.kubernetes_provider.values import Tree, opened

_EVERYWHERE = ("metadata.name", "metadata.namespace")

_REPLACING: dict[str, tuple[str, ...]] = {
    "ConfigMap": ("data", "binaryData"),
    "Secret": ("data", "stringData", "type"),
    "Service": ("spec.clusterIP",),
    "StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
    ),
    "Deployment": ("spec.selector",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "PersistentVolume": ("spec.hostPath", "spec.local", "spec.csi", "spec.nfs"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters"),
    "ResourceQuota": ("spec.scopes",),
    "Job": ("spec.template", "spec.selector", "spec.completions", "spec.parallelism"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A property that differs.

    Attributes:
        path: Dotted, as the engine shows it.
        kind: `add`, `delete` or `update`.
    """

    path: str
    kind: str


def differences(old: Any, new: Any, path: str = "") -> list[Difference]:  # noqa: ANN401 - any two values
    """Return where two inputs differ, leaf by leaf."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [
            found for key in keys for found in differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [found for index, (one, other) in pairs for found in differences(one, other, f"{path}[{index}]")]
    if old == new:
        return []
    return [Difference(path, "add" if old is None else "delete" if new is None else "update")]


def compare(old: Tree, new: Tree) -> list[Difference]:
    """Return the differences of two inputs, whatever of them is secret."""
    return differences(opened(old), opened(new))


def replacing(
    found: list[Difference], old: Tree, *, mutable: frozenset[str] = frozenset(), patch: bool = False
) -> list[str]:
    """Return the paths that force a replacement.

    Args:
        found: The differences.
        old: The inputs that are in force.
        mutable: Kinds whose data the user made mutable.
        patch: Whether it is a Patch resource, which only its name replaces.
    """
    kind = str(old.get("kind", ""))
    held = _REPLACING.get(kind, ())
    if kind in mutable and not old.get("immutable"):
        held = ("type",) if kind == "Secret" else ()
    paths = _EVERYWHERE if patch else (*_EVERYWHERE, *held)
    # A whole that differs holds what its parts would have said: so it is asked of an object whose input is being
    # replaced, with all of `spec` unknown, and answers that it is replaced as well (2.3 of what was seen).
    return [each.path for each in found if any(_within(each.path, path) or _within(path, each.path) for path in paths)]


def delete_before_replace(old: Tree, new: Tree) -> bool:
    """Return whether the old one has to go first: it has a name that a person chose, and keeps it (rule 4)."""
    before, after = old.get("metadata", {}), new.get("metadata", {})
    named = (after.get("annotations") or {}).get("pulumi.com/autonamed") != "true"
    same = all(before.get(key) == after.get(key) for key in ("name", "namespace"))
    return named and same


def _within(path: str, parent: str) -> bool:
    return path == parent or path.startswith((f"{parent}.", f"{parent}["))
