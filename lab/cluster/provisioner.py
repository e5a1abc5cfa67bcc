"""A volume provisioner and resizer for one node: a folder for each PVC of the lab's storage classes.

It replaces `rancher.io/local-path` and the external resizer, whose images the lab cannot pull.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from lab.cluster import volumes
from lab.cluster.certificates import PKI, SERVER
from lab.cluster.control import kubectl
from lab.cluster.volumes import Document, Growth
from lab.state import STATE

_VOLUMES = STATE / "volumes"
_SECONDS = 0.5
_NON_ROOT = 65532
_Subject = TypeVar("_Subject")


def main() -> None:
    """Loop: find PVCs that wait for a volume or for more space, and volumes whose PVC is deleted."""
    while True:
        try:
            for storage_class in volumes.CLASSES.values():
                _apply(storage_class.manifest())
            while True:
                reconcile()
                time.sleep(_SECONDS)
        except (json.JSONDecodeError, RuntimeError) as error:
            print(f"the API server did not answer: {error}", flush=True)
            time.sleep(2)


def reconcile() -> None:
    """Run one pass; a PVC that fails does not stop the others."""
    claims, existing = _list("persistentvolumeclaims"), _list("persistentvolumes")
    for claim in volumes.unprovisioned(claims):
        _attempt(_provide, claim)
    for growth in volumes.growths(claims, existing):
        _attempt(_grow, growth)
    for name in volumes.released(existing):
        _attempt(_reclaim, name)


def _attempt(action: Callable[[_Subject], None], subject: _Subject) -> None:
    try:
        action(subject)
    except (OSError, RuntimeError) as error:
        print(f"{action.__name__.lstrip('_')}: {error}", flush=True)


def _provide(claim: Document) -> None:
    folder = _VOLUMES / volumes.volume_name(claim)
    folder.mkdir(parents=True, exist_ok=True)
    # kubelet does not apply fsGroup to a hostPath, so the folder belongs to the pod's user from the start.
    os.chown(folder, _NON_ROOT, _NON_ROOT)
    _apply(volumes.volume(claim, folder))


def _grow(growth: Growth) -> None:
    """Grow a PVC in the order of the external resizer: the volume first, then the PVC's status."""
    metadata = growth.claim["metadata"]
    claim = ["persistentvolumeclaim", metadata["name"], "--namespace", metadata["namespace"]]
    _patch(["persistentvolume", growth.volume], volumes.grown_volume(growth))
    _patch([*claim, "--subresource=status"], volumes.grown_claim(growth))
    _run(["create", "-f", _file(volumes.growth_event(growth, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))])


def _reclaim(name: str) -> None:
    _run(["delete", "persistentvolume", name, "--wait=false"])
    shutil.rmtree(_VOLUMES / name, ignore_errors=True)


def _list(kind: str) -> list[dict[str, Any]]:
    """Return all objects of a kind; not by kubectl, which costs 0.1 s of CPU time for each call."""
    try:
        response = _pool().request("GET", f"{SERVER}/api/v1/{kind}")
    except urllib3.exceptions.HTTPError as error:
        raise RuntimeError(str(error)) from None
    if response.status != HTTPStatus.OK:
        raise RuntimeError(f"{kind} cannot be listed: {response.data.decode()[:300]}")
    items: list[dict[str, Any]] = json.loads(response.data)["items"]
    return items


@cache
def _pool() -> urllib3.PoolManager:
    """Return connections with the administrator's certificate."""
    return urllib3.PoolManager(
        ca_certs=str(PKI / "ca.crt"), cert_file=str(PKI / "admin.crt"), key_file=str(PKI / "admin.key"), retries=False
    )


def _apply(document: Document) -> None:
    _run(["apply", "--server-side", "--force-conflicts", "-f", _file(document)])


def _patch(target: list[str], patch: Document) -> None:
    _run(["patch", *target, "--type=merge", f"--field-manager={volumes.PROVISIONER}", f"--patch={json.dumps(patch)}"])


def _file(document: Document) -> str:
    path = Path(STATE, "provisioner.json")
    path.write_text(json.dumps(document))
    return str(path)


def _run(arguments: list[str]) -> str:
    answer = kubectl(*arguments)
    if answer.returncode:
        raise RuntimeError(answer.stderr.strip())
    return answer.stdout


if __name__ == "__main__":
    main()
