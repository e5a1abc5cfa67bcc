"""Debian packages: what is installed is printed before, recorded, and printed again."""

import os

import pytest

from lab import packages

from .conftest import program


@pytest.fixture
def debian(fake_path, tmp_path, monkeypatch):
    """A Debian machine on which root lacks buildah and runc."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages, "_RECORD", tmp_path / "cache" / "debian-packages")
    monkeypatch.setattr(packages, "_CNI", fake_path / "apt-get")
    for name in set(packages._PROGRAMS) - {"buildah", "runc"}:
        program(fake_path, name)
    program(fake_path, "apt-get")
    program(fake_path, "dpkg-query", 'case "$*" in *runc*) printf installed;; *) printf not-installed;; esac')
    return fake_path


def test_packages_are_listed_before_installation(debian, capsys):
    packages.install()

    stderr = capsys.readouterr().err
    assert stderr.startswith(
        "  installing Debian packages: runc buildah "
        "(make down leaves them; `apt-get remove runc buildah` removes them)\n"
    )


def test_installed_packages_are_recorded(debian):
    packages.install()

    assert packages._RECORD.read_text() == "buildah\nrunc\n"
    assert packages.installed_by_lab() == ["runc"]


def test_packages_that_were_there_are_not_recorded(debian):
    program(debian, "buildah")
    program(debian, "runc")

    packages.install()

    assert packages.installed_by_lab() == []
