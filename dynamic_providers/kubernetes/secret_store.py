"""Secrets that hold keys; one that is not managed is never overwritten."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.answer import Answer
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.errors import CONFLICT, FORBIDDEN, NOT_FOUND
from headscale_core.defaults import (
    APP_NAME,
    INSTANCE_LABEL,
    KIND_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    NAMESPACE_LABEL,
)
from headscale_core.keys.secrets import SecretNotOwned, StoredSecret


@dataclass(frozen=True, slots=True)
class KubernetesSecretStore:
    """Secrets in a cluster.

    Attributes:
        cluster: The cluster.
        instance: The instance whose keys they are; those of another instance are not managed.
        instance_namespace: Its namespace, for the instance of another namespace may have its name.
        kind: `preauth-key` or `api-key`.
        versions: The resourceVersions of Secrets that were read and are managed, by namespace and name.
    """

    cluster: Cluster
    instance: str
    instance_namespace: str
    kind: str
    versions: dict[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)

    def read(self, namespace: str, name: str) -> StoredSecret | None:
        """Return our Secret, None where there is none."""
        answer = self.cluster.request("GET", _path(namespace, name))
        if answer.status == NOT_FOUND:
            return None
        if not answer.ok:
            raise answer.error(f"Secret {namespace}/{name} cannot be read")
        self._require_owned(namespace, name, answer.body["metadata"].get("labels") or {})
        self.versions[namespace, name] = answer.body["metadata"]["resourceVersion"]
        return self._stored(answer.body)

    def all(self, namespace: str) -> dict[str, StoredSecret]:
        """Return our Secrets of this kind in a namespace by name, in calls of 500 each."""
        return {name: stored for _, name, stored in self._listed(f"/api/v1/namespaces/{namespace}/secrets")}

    def list_in_all_namespaces(self) -> list[tuple[str, str, StoredSecret]]:
        """Return our Secrets of this kind with namespace and name: of our namespace where that is all we may see."""
        try:
            return self._listed("/api/v1/secrets")
        except ClusterError as error:
            if error.status != FORBIDDEN:
                # Those in other namespaces may exist and not be listed.
                raise
            return self._listed(f"/api/v1/namespaces/{self.instance_namespace}/secrets")

    def _listed(self, path: str) -> list[tuple[str, str, StoredSecret]]:
        selector = ",".join(f"{key}={value}" for key, value in self._labels().items() if key != NAMESPACE_LABEL)
        found: list[tuple[str, str, StoredSecret]] = []
        page: str | None = ""
        while page is not None:
            answer = self.cluster.request(
                "GET", path, params={"labelSelector": selector, "limit": "500", **({"continue": page} if page else {})}
            )
            if not answer.ok:
                raise answer.error("Secrets cannot be listed")
            for item in answer.body.get("items") or ():
                entry = item["metadata"]
                if not self._is_owned(entry["labels"]):
                    continue
                found.append((entry["namespace"], entry["name"], self._stored(item)))
            page = answer.body["metadata"].get("continue") or None
        return found

    def _stored(self, secret: Mapping[str, Any]) -> StoredSecret:
        metadata = secret["metadata"]
        data = {
            key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()
        }
        labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in self._labels()}
        return StoredSecret(data, metadata.get("annotations") or {}, labels)

    def write(self, namespace: str, name: str, secret: StoredSecret) -> None:
        """Write our Secret in one request; the caller has read it before, and so knows that it is owned."""
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {**secret.labels, **self._labels()},
                "annotations": dict(secret.annotations),
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in secret.data.items()},
        }
        answer = self.cluster.request(
            "PATCH",
            _path(namespace, name),
            body=document,
            params={"fieldManager": MANAGER, "force": "true"},
            content_type="application/apply-patch+yaml",
        )
        if not answer.ok:
            message = secret.without_values(str(answer.body.get("message") or ""))
            raise Answer(answer.status, {"message": message}).error(f"Secret {namespace}/{name} cannot be written")
        self.versions[namespace, name] = answer.body["metadata"]["resourceVersion"]

    def delete(self, namespace: str, name: str) -> None:
        """Delete the managed Secret at the resourceVersion that was read last; one that is gone or not owned stays."""
        if (version := self.versions.pop((namespace, name), None)) and self._delete(namespace, name, version):
            return
        try:
            if self.read(namespace, name) is None:
                return
        except SecretNotOwned:
            return
        if not self._delete(namespace, name, self.versions.pop((namespace, name))):
            raise ClusterError(
                f"Secret {namespace}/{name} cannot be deleted: another program changes it; run `pulumi up` again"
            )

    def _delete(self, namespace: str, name: str, version: str) -> bool:
        """Delete a managed Secret, and return whether it is gone; not so where it is another version by now."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        answer = self.cluster.request("DELETE", _path(namespace, name), body=options)
        if answer.status == CONFLICT:
            return False
        if not answer.ok and answer.status != NOT_FOUND:
            raise answer.error(f"Secret {namespace}/{name} cannot be deleted")
        return True

    def _labels(self) -> dict[str, str]:
        return {
            NAME_LABEL: APP_NAME,
            INSTANCE_LABEL: self.instance,
            NAMESPACE_LABEL: self.instance_namespace,
            MANAGED_BY_LABEL: MANAGER,
            KIND_LABEL: self.kind,
        }

    def _require_owned(self, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        if not self._is_owned(labels):
            raise SecretNotOwned(
                f"Secret {namespace}/{name} exists and is not managed as `{self.kind}` of instance `{self.instance}`: "
                "nothing was changed; give another `secretName`, or delete that Secret if it is not needed"
            )

    def _is_owned(self, labels: Mapping[str, str]) -> bool:
        # Those that were written before there was a label for it get it with the next write.
        with_namespace = {NAMESPACE_LABEL: self.instance_namespace, **labels}
        return all(with_namespace.get(key) == value for key, value in self._labels().items())


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"
