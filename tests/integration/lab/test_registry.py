"""The sidecar's image is pushed to a real registry; Debian has one in the package docker-registry."""

import json
import os
import shutil
import subprocess
import urllib.request

import pytest
import yaml

from lab import delivery, sidecar_image
from lab.progress import wait_for
from tests.integration.conftest import free_port

pytestmark = [
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="Debian's docker-registry is not installed"),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("buildah"), reason="buildah builds the image as root"),
]


def fetch(url):
    types = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": types}), timeout=5) as answer:
        return json.load(answer)


@pytest.fixture
def registry(tmp_path):
    """A registry on loopback, which speaks plain HTTP."""
    address = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "images")}},
        "http": {"addr": address},
    }
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "config.yml")], stdout=log, stderr=log)

    def answers():
        try:
            return fetch(f"http://{address}/v2/") == {}
        except OSError:
            return False

    wait_for("the registry", answers, seconds=15, on_failure=(tmp_path / "log").read_text)
    yield address
    process.terminate()
    process.wait(10)


def test_image_is_in_the_named_registry(registry, monkeypatch):
    monkeypatch.setenv(delivery.REGISTRY, f"{registry}/team")

    name = delivery.deliver([])

    tag = name.rpartition(":")[2]
    assert tag == sidecar_image.content_tag().rpartition(":")[2]
    assert fetch(f"http://{registry}/v2/team/headscale-sidecar/tags/list")["tags"] == [tag]
    assert fetch(f"http://{registry}/v2/team/headscale-sidecar/manifests/{tag}")["layers"]
