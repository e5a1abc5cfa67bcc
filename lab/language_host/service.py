# ruff: noqa: ARG002, N802 - names and arguments are those of the protocol
"""A stand-in for `pulumi-language-python`, the one part of Pulumi that no package registry serves.

It runs a program by the official `pulumi-language-python-exec`, with the arguments and variables that the official
language host gives it, so what a program prints, how it fails and where its traceback begins are the official ones.
Debugging, type checking, code generation, toolchains other than pip and plugins without a `__main__.py` are left out.
Source: https://github.com/pulumi/pulumi/tree/master/sdk/python/cmd/pulumi-language-python
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from lab.language_host.toolchain import PLUGIN_VIRTUALENV, Toolchain, ToolchainError, output, start

ERROR_WAS_SHOWN = 32
"""Exit code of a program that has reported its error itself."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The service that the engine calls.

    Args:
        executor: The script `pulumi-language-python-exec`.
        engine: The engine's address.
    """

    def __init__(self, executor: Path, engine: str) -> None:
        self._executor = executor
        self._engine = engine
        self._processes: set[subprocess.Popen[bytes]] = set()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version: the SDK's, whose protocol is spoken here."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Return the plugins that installed packages need, after an install where nothing is installed yet."""
        with _errors_for(context):
            toolchain = Toolchain.of(request.info)
            if toolchain.needs_install():
                for _, chunk in toolchain.install():
                    os.write(sys.stderr.fileno(), chunk)
            plugins = toolchain.plugins()
        packages = [
            plugin_pb2.PackageDependency(
                kind="resource",
                name=plugin["name"],
                version=f"v{plugin['version'].removeprefix('v')}",
                server=plugin.get("server", ""),
            )
            for plugin in plugins
        ]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """Return the installed packages."""
        with _errors_for(context):
            packages = Toolchain.of(request.info).packages(transitive=request.transitiveDependencies)
        found = [language_pb2.DependencyInfo(name=name, version=version) for name, version in packages.items()]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """Return the program's interpreter and its version."""
        with _errors_for(context):
            toolchain = Toolchain.of(request.info)
            return language_pb2.AboutResponse(executable=toolchain.python, version=toolchain.version())

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Make the virtual environment and install `requirements.txt` into it."""
        with _errors_for(context):
            default = PLUGIN_VIRTUALENV if request.is_plugin else ""
            for stream, chunk in Toolchain.of(request.info, default_virtualenv=default).install():
                response = language_pb2.InstallDependenciesResponse
                yield response(stdout=chunk) if stream == "stdout" else response(stderr=chunk)

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program in a process of its own."""
        with _errors_for(context):
            toolchain = Toolchain.of(request.info)
            command = [toolchain.python, str(self._executor), *self._arguments(request)]
        environment = {
            **toolchain.environment,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            problem = f"problem executing program (could not run language executor): {error}"
            return language_pb2.RunResponse(error=problem)
        with self._ended_with(context, process):
            code = process.wait()
        if code == ERROR_WAS_SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run the plugin of a folder, and pass on what it prints and its exit code."""
        with _errors_for(context):
            toolchain = Toolchain.of(request.info, default_virtualenv=PLUGIN_VIRTUALENV)
            command = (toolchain.python, request.info.program_directory, *request.args)
        environment = {**toolchain.environment, **dict(pair.split("=", 1) for pair in request.env)}
        process = start(command, Path(request.pwd), environment)
        with self._ended_with(context, process):
            for stream, chunk in output(process):
                response = language_pb2.RunPluginResponse
                yield response(stdout=chunk) if stream == "stdout" else response(stderr=chunk)
        if process.returncode:
            yield language_pb2.RunPluginResponse(exitcode=process.returncode)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """End what runs."""
        self.stop()
        return Empty()

    def stop(self) -> None:
        """End what runs."""
        for process in list(self._processes):
            process.kill()

    @contextlib.contextmanager
    def _ended_with(self, context: grpc.ServicerContext, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """End a process when the engine cancels the call."""
        self._processes.add(process)
        context.add_callback(process.kill)
        try:
            yield
        finally:
            self._processes.discard(process)

    def _arguments(self, request: language_pb2.RunRequest) -> list[str]:
        """Return the executor's arguments; those without a value are left out."""
        named = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        options = [part for name, value in named.items() if value for part in (f"--{name}", value)]
        return [*options, request.info.entry_point, *request.args]


@contextlib.contextmanager
def _errors_for(context: grpc.ServicerContext) -> Iterator[None]:
    """Answer a call with the toolchain's error."""
    try:
        yield
    except ToolchainError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
