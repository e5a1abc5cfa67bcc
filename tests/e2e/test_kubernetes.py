"""The contract of Kubernetes, on a real API server: what the fake of the unit tests is held to."""

import base64
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headscale_sidecar.kubernetes import ApiServer
from tests.contract.test_kubernetes import *  # noqa: F403 - the suite

NUMBERS = itertools.count(1)
RULES = [
    {"apiGroups": [""], "resources": ["secrets", "persistentvolumeclaims"], "verbs": ["get", "create", "patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"]},
]
"""What the sidecar needs, for Secrets of any name."""


@dataclass
class RealKubernetes:
    """A namespace of the cluster with an instance's StatefulSet and PVC; see `tests/contract/test_kubernetes.py`."""

    kubeconfig: str
    pod: ApiServer
    namespace: str


@pytest.fixture
def kubernetes(cluster, tmp_path):
    # A new one for each test: a namespace takes seconds to be deleted.
    namespace = f"kubernetes-contract-{os.getpid()}-{next(NUMBERS)}"
    metadata = {"namespace": namespace, "labels": {"app": "vpn"}}
    template = {"metadata": {"labels": {"app": "vpn"}}, "spec": {"containers": [{"name": "none", "image": "none"}]}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {**metadata, "name": "vpn"},
            "spec": {
                "replicas": 0,
                "serviceName": "vpn",
                "selector": {"matchLabels": {"app": "vpn"}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {**metadata, "name": "data-vpn-0"},
            "spec": claim,
        },
    )
    account = cluster.as_account("sidecar", namespace, RULES)
    yield RealKubernetes(json.dumps(cluster.kubeconfig()), seen_by_a_pod(account, tmp_path), namespace)
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def seen_by_a_pod(kubeconfig: dict, folder: Path) -> ApiServer:
    """Return the API server as a pod with this account sees it."""
    current = next(value for value in kubeconfig["contexts"] if value["name"] == kubeconfig["current-context"])[
        "context"
    ]
    server = next(value for value in kubeconfig["clusters"] if value["name"] == current["cluster"])["cluster"]
    (user,) = kubeconfig["users"]
    (folder / "token").write_text(user["user"]["token"])
    (folder / "ca.crt").write_bytes(base64.b64decode(server["certificate-authority-data"]))
    where = urlsplit(server["server"])
    return ApiServer(str(where.hostname), where.port or 443, folder)
