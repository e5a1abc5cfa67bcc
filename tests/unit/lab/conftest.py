"""Programs on a PATH of the test's own, which record what they are called with."""

import os

import pytest


def program(folder, name, script=""):
    """Put a program on the PATH that notes its arguments in `<name>.calls` and runs a script.

    Args:
        folder: The PATH's only folder, see `fake_path`.
        name: The program.
        script: Lines of shell; `$*` are the arguments.
    """
    path = folder / name
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/{name}.calls\n{script}\n')
    path.chmod(0o755)
    return path


def calls(folder, name):
    """Return with which arguments a program was called, one line each."""
    path = folder / f"{name}.calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def fake_path(tmp_path, monkeypatch):
    """Return the only folder on PATH besides those of the shell's own tools; it holds no program yet."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.fspath(folder))
    return folder
