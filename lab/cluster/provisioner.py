"""A volume provisioner for one node: a folder for each claim of the class `lab`.

It is what `rancher.io/local-path` is elsewhere: the lab reaches no registry to run that from.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from lab.cluster.control import kubectl
from lab.state import STATE

CLASS = "lab"
_VOLUMES = STATE / "volumes"
_SECONDS = 0.5
_NON_ROOT = 65532


def main() -> None:
    """Look for claims without a volume and volumes without a claim, for ever."""
    while True:
        try:
            _apply(_storage_class())
            while True:
                _provide()
                _reclaim()
                time.sleep(_SECONDS)
        except (json.JSONDecodeError, RuntimeError) as error:
            print(f"the API server did not answer: {error}", flush=True)
            time.sleep(2)


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "headscale-lab/folder",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def _provide() -> None:
    for claim in _list("persistentvolumeclaims"):
        asked = "volume.kubernetes.io/selected-node" in claim["metadata"].get("annotations", {})
        if claim["spec"].get("storageClassName") == CLASS and not claim["spec"].get("volumeName") and asked:
            _apply(_volume(claim))


def _volume(claim: dict[str, Any]) -> dict[str, Any]:
    name = f"pvc-{claim['metadata']['uid']}"
    folder = _VOLUMES / name
    folder.mkdir(parents=True, exist_ok=True)
    # kubelet does not apply fsGroup to a hostPath, so the folder belongs to the pod's user from the start.
    os.chown(folder, _NON_ROOT, _NON_ROOT)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "headscale-lab/folder"}},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": claim["metadata"]["name"],
                "namespace": claim["metadata"]["namespace"],
                "uid": claim["metadata"]["uid"],
            },
        },
    }


def _reclaim() -> None:
    for volume in _list("persistentvolumes"):
        if volume["spec"].get("storageClassName") == CLASS and volume.get("status", {}).get("phase") == "Released":
            kubectl("delete", "persistentvolume", volume["metadata"]["name"], "--wait=false")
            shutil.rmtree(_VOLUMES / volume["metadata"]["name"], ignore_errors=True)


def _list(kind: str) -> list[dict[str, Any]]:
    answer = kubectl("get", kind, "--all-namespaces", "-o", "json")
    if answer.returncode:
        raise RuntimeError(answer.stderr.strip())
    items: list[dict[str, Any]] = json.loads(answer.stdout)["items"]
    return items


def _apply(document: dict[str, Any]) -> None:
    path = Path(STATE, "provisioner.json")
    path.write_text(json.dumps(document))
    answer = kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path))
    if answer.returncode:
        raise RuntimeError(answer.stderr.strip())


if __name__ == "__main__":
    main()
