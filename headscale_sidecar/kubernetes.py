"""The sidecar's requests to Kubernetes, with the standard library alone, for its memory limit is small.

A Secret is written by server-side apply. Where that creates, the API server asks for the right to create with the
object's name, so the Role can be held to the one Secret.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headscale_core.defaults import (
    APP_NAME,
    COMPONENT_LABEL,
    INSTANCE_LABEL,
    KIND_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    NAME_LABEL,
    pvc_name,
)
from headscale_core.keys.annotations import DIGEST, EXPIRES_AT, KEY_ID, SUPERSEDED, own_annotations
from headscale_core.keys.api_key_secret import superseded_in
from headscale_core.keys.secrets import SecretNotOwned, StoredSecret
from headscale_sidecar.errors import SidecarError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 10.0
_LONGEST_MESSAGE = 1000
_KIND = "managed-api-key"

API_KEYS_ANNOTATION = "headscale-component/api-keys"
"""Annotation of the PVC: a copy of the Secret's annotations as a JSON object, without the text of any key."""

_NO_PVC = (403, 404)
_LONG_AGO = "1970-01-01T00:00:00+00:00"


class KubernetesError(SidecarError):
    """A call that Kubernetes did not carry out."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server as a pod sees it.

    Attributes:
        host: Its address.
        port: Its port.
        account: Folder with token and authority; the token is read again each time, for it changes hourly.
    """

    host: str
    port: int
    account: Path = ACCOUNT

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Return status and object.

        Raises:
            KubernetesError: When there is no answer, or what answers is no API server.
        """
        try:
            # Without white space: http.client refuses a header with a line break, and shows it in its error.
            token = "".join((self.account / "token").read_text().split())
            trust = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
        except OSError as error:
            raise KubernetesError(f"the service account in {self.account} cannot be read: {error}") from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=_SECONDS, context=trust)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            status, value = answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            where = f"{method} {path.partition('?')[0]}"
            raise KubernetesError(f"Kubernetes does not answer at {self.host}:{self.port}: {where}: {error}") from None
        finally:
            connection.close()
        if not isinstance(value, dict):
            raise KubernetesError(f"what answers at {self.host}:{self.port} is no Kubernetes API: {method} {path}")
        return status, value


def api_server(environment: Mapping[str, str]) -> ApiServer:
    """Return the API server that kubelet names to every container."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    return ApiServer(host, int(port or 443), Path(environment.get("SERVICE_ACCOUNT", ACCOUNT)))


class ManagedSecret:
    """The store of the one Secret, whose owner is the StatefulSet, so that it is garbage-collected with it.

    Its annotations are copied to the PVC, as one annotation, for the keys live in the database there. Where the Secret
    is gone (deleted by hand, or with the instance, or another name is asked for), or an older one (from a backup), the
    PVC still records which keys are in no Secret, so that they are revoked.
    """

    def __init__(self, server: ApiServer, instance: str) -> None:
        self._server = server
        self._instance = instance

    def read(self, namespace: str, name: str) -> StoredSecret | None:
        """Return the managed Secret, with what the annotation of the PVC adds; None where neither names a key.

        A key that is in force by the PVC's annotation, and that the Secret does not know, is to be revoked at once.

        Raises:
            KubernetesError: When Secret or PVC cannot be read.
            SecretNotOwned: When a Secret of that name is not managed by this component.
        """
        stored, on_pvc = self._secret(namespace, name), self._read_pvc_annotation(namespace)
        if stored is None:
            return StoredSecret({}, on_pvc) if on_pvc else None
        if not on_pvc:
            # The Secret was written before the PVC had the annotation, or the PVC is a new one.
            self._write_pvc_annotation(namespace, stored.annotations)
        known = {stored.annotations.get(KEY_ID), *superseded_in(stored)}
        if on_pvc.get(KEY_ID) in {None, *known}:
            return stored
        lost = f"{on_pvc[KEY_ID]}@{_LONG_AGO}"
        superseded = ",".join(filter(None, (stored.annotations.get(SUPERSEDED), lost)))
        return StoredSecret(stored.data, {**stored.annotations, SUPERSEDED: superseded}, stored.labels)

    def _secret(self, namespace: str, name: str) -> StoredSecret | None:
        status, body = self._server.call("GET", _path(namespace, name))
        if status == 404:  # noqa: PLR2004 - HTTP
            return None
        if status != 200:  # noqa: PLR2004 - HTTP
            raise KubernetesError(f"Secret {namespace}/{name} cannot be read: {body.get('message')}")
        labels = body["metadata"].get("labels") or {}
        if any(labels.get(key) != value for key, value in self._labels().items()):
            raise SecretNotOwned(
                f"Secret {namespace}/{name} exists and is not managed by this component; delete it, or give another "
                "`secretName`"
            )
        data = {
            key: base64.b64decode(value).decode(errors="replace") for key, value in (body.get("data") or {}).items()
        }
        return StoredSecret(data, body["metadata"].get("annotations") or {}, labels)

    def write(self, namespace: str, name: str, secret: StoredSecret) -> None:
        """Write the managed Secret by server-side apply, after the annotation of the PVC; call `read` before.

        https://kubernetes.io/docs/reference/using-api/server-side-apply/

        Raises:
            KubernetesError: When PVC or Secret cannot be written.
        """
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": name,
                "labels": self._labels(),
                "annotations": dict(secret.annotations),
                "ownerReferences": [self._owner_reference(namespace)],
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in secret.data.items()},
        }
        self._write_pvc_annotation(namespace, secret.annotations)
        query = "?fieldManager=headscale-sidecar&force=true"
        status, body = self._server.call(
            "PATCH", _path(namespace, name) + query, document, content_type="application/apply-patch+yaml"
        )
        if status not in {200, 201}:
            message = secret.without_values(str(body.get("message")))
            raise KubernetesError(f"Secret {namespace}/{name} cannot be written: {message}")

    def delete(self, namespace: str, name: str) -> None:
        """Delete nothing: the Secret is garbage-collected with its owner, the StatefulSet.

        https://kubernetes.io/docs/concepts/architecture/garbage-collection/#owners-dependents
        """

    def _read_pvc_annotation(self, namespace: str) -> dict[str, str]:
        status, body = self._server.call("GET", self._pvc_path(namespace))
        if status in _NO_PVC:
            return {}
        if status != 200:  # noqa: PLR2004 - HTTP
            raise KubernetesError(f"{self._pvc_annotation} cannot be read: {body.get('message')}")
        try:
            found = json.loads((body["metadata"].get("annotations") or {}).get(API_KEYS_ANNOTATION, "{}"))
        except ValueError:
            found = {}
        return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}

    def _write_pvc_annotation(self, namespace: str, annotations: Mapping[str, str]) -> None:
        copied = own_annotations(annotations, without={DIGEST, EXPIRES_AT})
        body = {"metadata": {"annotations": {API_KEYS_ANNOTATION: json.dumps(copied, sort_keys=True)}}}
        status, answer = self._server.call(
            "PATCH", self._pvc_path(namespace), body, content_type="application/merge-patch+json"
        )
        if status != 200 and status not in _NO_PVC:  # noqa: PLR2004 - HTTP
            raise KubernetesError(f"{self._pvc_annotation} cannot be written: {answer.get('message')}")

    @property
    def _pvc_annotation(self) -> str:
        return f"annotation `{API_KEYS_ANNOTATION}` of PVC {pvc_name(self._instance)}"

    def _pvc_path(self, namespace: str) -> str:
        return f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{pvc_name(self._instance)}"

    def report(self, namespace: str, reason: str, message: str) -> None:
        """Report a failure as an Event on the StatefulSet, where people look first.

        Raises:
            KubernetesError: When the Event cannot be created.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{self._instance}-api-key-"},
            "involvedObject": {**self._owner_reference(namespace), "namespace": namespace},
            "type": "Warning",
            "reason": reason,
            "message": message[:_LONGEST_MESSAGE],
            "source": {"component": "headscale-sidecar"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        status, body = self._server.call("POST", f"/api/v1/namespaces/{namespace}/events", event)
        if status not in {200, 201}:
            raise KubernetesError(f"no Event can be created in {namespace}: {body.get('message')}")

    def _labels(self) -> dict[str, str]:
        return {
            NAME_LABEL: APP_NAME,
            INSTANCE_LABEL: self._instance,
            COMPONENT_LABEL: "api-key",
            MANAGED_BY_LABEL: MANAGER,
            KIND_LABEL: _KIND,
        }

    def _owner_reference(self, namespace: str) -> dict[str, str]:
        status, body = self._server.call("GET", f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{self._instance}")
        if status != 200:  # noqa: PLR2004 - HTTP
            raise KubernetesError(f"StatefulSet {namespace}/{self._instance} cannot be read: {body.get('message')}")
        uid = str(body["metadata"]["uid"])
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": self._instance, "uid": uid}


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"
