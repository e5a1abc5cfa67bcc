"""Stand-in for `pulumi-language-python`: runs a Python program for the engine.

The calls that are answered are those that engine v3.246 makes in preview, up, refresh, destroy, about and install.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from lab.standins.serving import serve

BAIL = 32
"""Exit code of a program whose error was told already."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The language runtime's service."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._programs: set[subprocess.Popen[bytes]] = set()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802 - the wire's names and types
        """Take the engine's address."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802
        """Say which version this stands in for."""
        return plugin_pb2.PluginInfo(version="3.246.0")

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802
        """Name no plug-ins: the engine finds those it needs by the resources."""
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802
        """Name the interpreter."""
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802
        """Run the program in a process of its own, so that an update begins with fresh modules."""
        process = subprocess.Popen(
            [_interpreter(request.info), "-u", str(Path(__file__).with_name("program.py"))],
            stdin=subprocess.PIPE,
            cwd=request.info.program_directory or request.pwd,
        )
        self._programs.add(process)
        context.add_callback(lambda: _end(process))
        process.communicate(_description(request, self._engine))
        self._programs.discard(process)
        if process.returncode == BAIL:
            return language_pb2.RunResponse(bail=True)
        problem = f"Program exited with non-zero exit code: {process.returncode}" if process.returncode else ""
        return language_pb2.RunResponse(error=problem)

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802
        """Install nothing: `make venv` does."""
        yield language_pb2.InstallDependenciesResponse(stdout=b"dependencies are installed by `make venv`\n")

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, ARG002, N802
        """End what runs."""
        self.stop()
        return Empty()

    def stop(self) -> None:
        """End what runs."""
        for process in list(self._programs):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _description(request: Any, engine: str) -> bytes:  # noqa: ANN401 - the wire's type
    """Return what the program's process has to know, by a pipe: it holds decrypted configuration."""
    return json.dumps(
        {
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "pwd": request.pwd,
            "program": str(Path(request.info.program_directory, request.info.entry_point or ".")),
            "root": request.info.root_directory,
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
            "dry_run": request.dryRun,
            "parallel": request.parallel,
            "monitor": request.monitor_address,
            "engine": engine,
        }
    ).encode()


def _interpreter(info: Any) -> str:  # noqa: ANN401 - the wire's type
    """Return the interpreter of the project's virtual environment; this one where none is named."""
    options = dict(info.options.items()) if info.HasField("options") else {}
    virtualenv = options.get("virtualenv")
    if not virtualenv:
        return sys.executable
    python = Path(info.root_directory, virtualenv, "bin", "python")
    return str(python) if python.exists() else sys.executable


def main() -> None:
    """Serve as the engine's language runtime; the last argument is the engine's address."""
    host = LanguageHost(sys.argv[-1] if len(sys.argv) > 1 else "")
    serve(
        "pulumi-language-python",
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server),
        threads=16,
        on_stop=host.stop,
    )


if __name__ == "__main__":
    main()
