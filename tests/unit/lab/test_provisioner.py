"""The provisioner's rounds, against an API server whose answers are written down."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.cluster import provisioner, volumes

from .test_volumes import a_claim, a_volume


class ApiServer:
    """Answers lists, records everything else, and refuses what the test names."""

    def __init__(self):
        self.claims, self.volumes, self.refused, self.calls = [], [], "", []

    def list(self, kind):
        return self.claims if kind == "persistentvolumeclaims" else self.volumes

    def __call__(self, *arguments):
        if self.refused and any(self.refused in argument for argument in arguments):
            return subprocess.CompletedProcess(arguments, 1, "", f"{self.refused} not found")
        document = json.loads(Path(arguments[-1]).read_text()) if arguments[-2] == "-f" else None
        self.calls.append((arguments, document))
        return subprocess.CompletedProcess(arguments, 0, "", "")


@pytest.fixture
def api_server(tmp_path, monkeypatch):
    server = ApiServer()
    monkeypatch.setattr(provisioner, "kubectl", server)
    monkeypatch.setattr(provisioner, "_list", server.list)
    monkeypatch.setattr(provisioner, "STATE", tmp_path)
    monkeypatch.setattr(provisioner, "_VOLUMES", tmp_path / "volumes")
    monkeypatch.setattr(os, "chown", lambda *_: None)  # a test need not be root
    return server


def test_growth_patches_volume_then_status_then_tells(api_server):
    api_server.claims = [a_claim(volume="pvc-1", asks="2Gi", has="1Gi")]
    api_server.volumes = [a_volume("pvc-1")]

    provisioner.reconcile()

    (volume, _), (claim, _), (_, event) = api_server.calls
    assert volume[:3] == ("patch", "persistentvolume", "pvc-1")
    assert claim[:3] == ("patch", "persistentvolumeclaim", "data")
    assert "--subresource=status" in claim
    assert json.loads(claim[-1].removeprefix("--patch="))["status"]["capacity"] == {"storage": "2Gi"}
    assert event["kind"] == "Event"


def test_refused_pvc_delays_no_other(api_server, capsys):
    api_server.claims = [
        a_claim("first", volume="pvc-1", asks="2Gi", has="1Gi"),
        a_claim("second", volume="pvc-2", asks="2Gi", has="1Gi"),
        a_claim("third", storage_class="lab-immediate"),
    ]
    api_server.volumes = [a_volume("pvc-1"), a_volume("pvc-2")]
    api_server.refused = "pvc-1"

    provisioner.reconcile()

    assert "pvc-uid-third" in {document["metadata"].get("name") for _, document in api_server.calls if document}
    assert "second" in {arguments[2] for arguments, _ in api_server.calls}
    assert capsys.readouterr().out == "grow: pvc-1 not found\n"


def test_released_volume_is_deleted_with_its_files(api_server, tmp_path):
    folder = tmp_path / "volumes" / "pvc-1"
    folder.mkdir(parents=True)
    api_server.volumes = [a_volume("pvc-1", "Released")]

    provisioner.reconcile()

    assert api_server.calls[0][0][:3] == ("delete", "persistentvolume", "pvc-1")
    assert not folder.exists()


def test_nothing_to_do_writes_nothing(api_server):
    api_server.claims = [a_claim(volume="pvc-1"), a_claim("waiting")]
    api_server.volumes = [a_volume("pvc-1")]

    provisioner.reconcile()

    assert api_server.calls == []
    assert set(volumes.CLASSES) == {"lab", "lab-immediate", "lab-fixed"}
