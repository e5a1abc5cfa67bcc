"""Objects in the cluster: where they are, and the four things that can be done with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dynamic_providers.cluster import Answer, Cluster
from lab.standins.kubernetes_provider.values import Tree

CREATOR = "pulumi-kubernetes"
_CLUSTER_WIDE = {
    "Namespace",
    "PersistentVolume",
    "StorageClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
}
_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses"}
_BUILT_IN_GROUPS = ("apps", "batch", "policy", "autoscaling")
_POLL_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an object is."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    @property
    def id(self) -> str:
        """The id that the engine keeps."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Objects:
    """The objects of one cluster."""

    def __init__(self, cluster: Cluster, default_namespace: str = "default") -> None:
        self._cluster = cluster
        self._default_namespace = default_namespace
        self._discovered: dict[tuple[str, str], tuple[str, bool]] = {}

    def reference(self, inputs: Tree) -> Reference:
        """Return where the object of some inputs is; no call is made for built-in kinds."""
        metadata = inputs.get("metadata") or {}
        api_version, kind = str(inputs["apiVersion"]), str(inputs["kind"])
        namespaced = self._is_namespaced(api_version, kind)
        namespace = str(metadata.get("namespace") or self._default_namespace) if namespaced else None
        return Reference(api_version, kind, namespace, str(metadata.get("name", "")))

    def create(self, where: Reference, body: Tree, *, dry_run: bool = False) -> Answer:
        """Create by a plain POST, which never adopts (rule 1)."""
        params = {"fieldManager": CREATOR, **({"dryRun": "All"} if dry_run else {})}
        return self._cluster.request("POST", self._collection(where), body=body, params=params)

    def apply(self, where: Reference, body: Tree, manager: str, *, force: bool, dry_run: bool = False) -> Answer:
        """Update by a server-side apply (rule 1)."""
        params = {"fieldManager": manager, "force": str(force).lower(), **({"dryRun": "All"} if dry_run else {})}
        return self._cluster.request(
            "PATCH", self._path(where), body=body, params=params, content_type="application/apply-patch+yaml"
        )

    def take_over(self, live: Tree, manager: str) -> None:
        """Make ours what `create` and `kubectl` wrote, so that an apply can remove it (1.2 of what was seen)."""
        entries = live["metadata"].get("managedFields", [])
        changed = [entry for entry in entries if _is_taken_over(entry)]
        if not changed:
            return
        kept = [entry for entry in entries if entry not in changed]
        merged: Tree = next(({**entry} for entry in kept if entry.get("manager") == manager), {})
        kept = [entry for entry in kept if entry.get("manager") != manager]
        fields: Tree = merged.get("fieldsV1", {})
        for entry in changed:
            fields = _union(fields, entry.get("fieldsV1", {}))
        ours = {
            "manager": manager,
            "operation": "Apply",
            "apiVersion": changed[0]["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        where = self.reference(live)
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, ours]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        self._cluster.request("PATCH", self._path(where), body=patch, content_type="application/json-patch+json")  # type: ignore[arg-type]  # a JSON patch is a list

    def read(self, where: Reference) -> Answer:
        """Return the live object."""
        return self._cluster.request("GET", self._path(where))

    def list(self, where: Reference, kind: str, selector: str, *, root: str = "/api/v1") -> list[Tree]:
        """Return objects beside one, by labels; of the core group unless another root of the API is given."""
        answer = self._cluster.request(
            "GET", f"{root}/namespaces/{where.namespace}/{kind}", params={"labelSelector": selector}
        )
        items: list[Tree] = answer.body.get("items", []) if answer.ok else []
        return items

    def delete(self, where: Reference, *, seconds: float, stopped: Callable[[], bool], wait: bool = True) -> str | None:
        """Delete in the foreground and wait until it is gone; gone already is gone (rule 8).

        Returns:
            What is wrong, None when it is gone.
        """
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        answer = self._cluster.request("DELETE", self._path(where), body=body)
        if answer.status == 404:  # noqa: PLR2004 - HTTP
            return None
        if not answer.ok:
            return answer.message
        deadline = time.monotonic() + seconds
        while wait and self.read(where).status != 404:  # noqa: PLR2004 - HTTP
            if time.monotonic() > deadline or stopped():
                return "timed out waiting for the condition"
            time.sleep(_POLL_SECONDS)
        return None

    def _collection(self, where: Reference) -> str:
        root = f"/api/{where.api_version}" if "/" not in where.api_version else f"/apis/{where.api_version}"
        home = f"{root}/namespaces/{where.namespace}" if where.namespace else root
        return f"{home}/{self._plural(where.api_version, where.kind)}"

    def _path(self, where: Reference) -> str:
        return f"{self._collection(where)}/{where.name}"

    def _is_built_in(self, api_version: str) -> bool:
        group = api_version.partition("/")[0]
        return "/" not in api_version or group.endswith(".k8s.io") or group in _BUILT_IN_GROUPS

    def _is_namespaced(self, api_version: str, kind: str) -> bool:
        if self._is_built_in(api_version):
            return kind not in _CLUSTER_WIDE
        return self._discover(api_version, kind)[1]

    def _plural(self, api_version: str, kind: str) -> str:
        if self._is_built_in(api_version):
            return _PLURALS.get(kind, f"{kind.lower()}s")
        return self._discover(api_version, kind)[0]

    def _discover(self, api_version: str, kind: str) -> tuple[str, bool]:
        found = self._discovered.get((api_version, kind))
        if found:
            return found
        answer = self._cluster.request("GET", f"/apis/{api_version}")
        for resource in answer.body.get("resources", []) if answer.ok else []:
            if resource["kind"] == kind and "/" not in resource["name"]:
                self._discovered[api_version, kind] = (resource["name"], resource["namespaced"])
                return self._discovered[api_version, kind]
        return f"{kind.lower()}s", True


def _is_taken_over(entry: Tree) -> bool:
    if entry.get("subresource"):
        return False
    manager = str(entry.get("manager", ""))
    created = manager in {CREATOR, "before-first-apply"} and entry.get("operation") == "Update"
    return created or manager.startswith("kubectl")


def _union(one: Any, other: Any) -> Any:  # noqa: ANN401 - sets of fields
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _union(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}
    return one or other
