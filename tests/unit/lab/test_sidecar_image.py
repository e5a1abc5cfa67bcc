"""The sidecar's image on a person's own machine: docker and podman record what they build."""

import os
import re

import pytest

from headscale_component.versions import VERSION
from lab import images, sidecar_image
from lab.progress import LabError

from .conftest import calls, program

NAME = "registry.example.com/team/headscale-sidecar:1"


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar_image, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def saves(folder, name):
    """Put a docker on PATH that saves an archive where its arguments say."""
    return program(folder, name, 'if [ "$1" = save ]; then echo saved > "$3"; fi')


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_engine_builds_and_saves_archive_once(engine, fake_path):
    saves(fake_path, engine)

    first = sidecar_image.archive(NAME)
    second = sidecar_image.archive(NAME)

    assert first == second
    assert first.read_text() == "saved\n"
    assert [call.split()[0] for call in calls(fake_path, engine)] == ["info", "build", "save"]
    assert f"-t {NAME}" in calls(fake_path, engine)[1]


def test_push_builds_under_the_registrys_name(fake_path):
    program(fake_path, "docker")

    sidecar_image.push(NAME)

    assert calls(fake_path, "docker")[-1] == f"push {NAME}"


def test_docker_without_daemon_leaves_it_to_podman(fake_path):
    program(fake_path, "docker", "exit 1")
    saves(fake_path, "podman")

    sidecar_image.archive(NAME)

    assert calls(fake_path, "docker") == ["info"]


def test_without_builder_error_says_what_to_install(fake_path):
    with pytest.raises(LabError, match="cannot be built here") as caught:
        sidecar_image.archive(NAME)

    assert "buildah and debootstrap" in caught.value.hint


def test_refused_push_shows_answer_of_registry(fake_path):
    program(fake_path, "docker", '[ "$1" = push ] && { echo "denied: requested access" >&2; exit 1; }; exit 0')

    with pytest.raises(LabError, match="denied: requested access"):
        sidecar_image.push(NAME)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_image_runs_with_no_settings(engine, fake_path):
    program(fake_path, engine, 'if [ "$1" = run ]; then echo "SECRET_NAME is required"; exit 2; fi')

    ended = sidecar_image.run()

    assert (ended.returncode, ended.stdout) == (2, "SECRET_NAME is required\n")
    assert calls(fake_path, engine)[-1] == f"run --rm {sidecar_image.SIDECAR}"


def test_tag_changes_with_the_content(tmp_path, monkeypatch):
    before = sidecar_image.content_tag()
    assert re.fullmatch(rf"localhost/headscale-sidecar:{re.escape(VERSION)}-[0-9a-f]{{12}}", before)
    for name in ("images/sidecar/Dockerfile", "images/sidecar/requirements.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("changed")
    monkeypatch.setattr(sidecar_image, "REPOSITORY", tmp_path)

    assert sidecar_image.content_tag() != before


@pytest.mark.parametrize(("minor", "version"), [("0.27", "v0.27.1"), ("0.28", "v0.28.0")])
def test_headscale_image_has_the_built_version(minor, version):
    assert images.headscale(minor) == f"docker.io/headscale/headscale:{version}"
