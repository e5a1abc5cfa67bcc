"""The Python of a program or a plugin: pip and a virtual environment, by the rules of Pulumi's pip toolchain.

Source of the rules: https://www.pulumi.com/docs/iac/languages-sdks/python/#virtual-environments
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pulumi.runtime.proto import language_pb2

PLUGIN_VIRTUALENV = "venv"
"""A plugin's virtual environment where its options name none; a program then uses the Python of PATH."""

Chunk = tuple[Literal["stdout", "stderr"], bytes]
"""A piece of output, with the stream that it was written to."""


class ToolchainError(Exception):
    """There is no Python to run with, or its packages could not be installed."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The folders of a program and the Python that it runs with.

    Attributes:
        root: The folder of `Pulumi.yaml` or `PulumiPlugin.yaml`.
        program: The folder of `__main__.py` and `requirements.txt`.
        virtualenv: The option of that name, relative to the root; empty for the Python of PATH.
    """

    root: Path
    program: Path
    virtualenv: str = ""

    @classmethod
    def of(cls, info: language_pb2.ProgramInfo, *, default_virtualenv: str = "") -> Toolchain:
        """Return the toolchain that a program's runtime options ask for.

        Raises:
            ToolchainError: When they ask for uv or poetry.
        """
        options = dict(info.options.items())
        if (name := options.get("toolchain", "pip")) != "pip":
            raise ToolchainError(f"toolchain `{name}`: the lab's language host has pip only; install the official one")
        virtualenv = str(options.get("virtualenv") or default_virtualenv)
        return cls(Path(info.root_directory), Path(info.program_directory), virtualenv)

    @property
    def folder(self) -> Path:
        """The virtual environment."""
        return self.root / self.virtualenv

    @property
    def python(self) -> str:
        """The interpreter: the virtual environment's, else `PULUMI_PYTHON_CMD`, else `python3`.

        Raises:
            ToolchainError: When there is no such virtual environment.
        """
        if not self.virtualenv:
            return _ambient_python()
        python = self.folder / "bin" / "python"
        if not python.is_file():
            raise ToolchainError(
                f"the option `virtualenv` is `{self.virtualenv}` and {self.folder} is no virtual environment: "
                "run `pulumi install`"
            )
        return str(python)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment variables, with the virtual environment activated."""
        if not self.virtualenv:
            return dict(os.environ)
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        path = f"{self.folder / 'bin'}:{variables.get('PATH', '')}"
        return {**variables, "PATH": path, "VIRTUAL_ENV": str(self.folder)}

    def needs_install(self) -> bool:
        """Return whether the virtual environment is missing or empty: an update then installs it first."""
        return bool(self.virtualenv) and (not self.folder.exists() or not any(self.folder.iterdir()))

    def install(self) -> Iterator[Chunk]:
        """Create the virtual environment and install `requirements.txt`, and yield what that prints.

        Where there is no `requirements.txt`, the environment has pip, setuptools and wheel, and that is no error.

        Raises:
            ToolchainError: When a command fails.
        """
        if self.virtualenv:
            yield from self._command(_ambient_python(), "-m", "venv", str(self.folder))
        yield from self._command(self.python, "-m", "pip", "install", "--upgrade", "pip", "setuptools", "wheel")
        if (self.program / "requirements.txt").exists():
            yield from self._command(self.python, "-m", "pip", "install", "-r", "requirements.txt")

    def packages(self, *, transitive: bool) -> dict[str, str]:
        """Return the version of each installed package; only of those that no other needs, unless transitive."""
        options = [] if transitive else ["--not-required"]
        listed = json.loads(self._ask("-m", "pip", "list", "--format", "json", *options))
        return {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in listed}

    def plugins(self) -> list[dict[str, Any]]:
        """Return each installed package's declaration of the plugin that it needs."""
        folder = self._ask("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        described = [json.loads(file.read_text()) for file in sorted(Path(folder).glob("*/pulumi-plugin.json"))]
        return [each for each in described if each.get("resource") and each.get("name") and each.get("version")]

    def version(self) -> str:
        """Return the version of the interpreter."""
        return self._ask("--version").removeprefix("Python ")

    def _ask(self, *arguments: str) -> str:
        command = [self.python, *arguments]
        run = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise ToolchainError(f"`{' '.join(command)}` failed: {run.stderr.strip()}")
        return run.stdout.strip()

    def _command(self, *command: str) -> Iterator[Chunk]:
        process = start(command, self.program, self.environment)
        yield from output(process)
        if process.returncode:
            raise ToolchainError(f"`{' '.join(command)}` failed with exit code {process.returncode}")


def start(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process whose output is read by `output`."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def output(process: subprocess.Popen[bytes]) -> Iterator[Chunk]:
    """Yield what a process writes as it comes, until it has ended."""
    with process, selectors.DefaultSelector() as selector:
        for name in ("stdout", "stderr"):
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select():
                if chunk := os.read(key.fd, 65536):
                    yield key.data, chunk
                else:
                    selector.unregister(key.fileobj)


def _ambient_python() -> str:
    """Return the Python of PATH."""
    named = os.environ.get("PULUMI_PYTHON_CMD")
    for name in [named] if named else ["python3", "python"]:
        if found := shutil.which(name):
            return found
    return sys.executable
