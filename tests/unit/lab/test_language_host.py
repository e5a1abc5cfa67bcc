"""The lab's language host and the launchers around it, without an engine."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import language_pb2

from lab import launchers, pulumi, tools
from lab.language_host import toolchain
from lab.language_host.toolchain import Toolchain, ToolchainError


def info(root, **options):
    struct = json_format.ParseDict(options, struct_pb2.Struct())
    return language_pb2.ProgramInfo(root_directory=str(root), program_directory=str(root), options=struct)


@pytest.fixture
def commands(monkeypatch):
    """The commands of an install, which are not run; a virtual environment appears when it is made."""
    ran = []

    def start(command, folder, environment):
        ran.append(command)
        if command[1:3] == ("-m", "venv"):
            python = Path(command[3], "bin", "python")
            python.parent.mkdir(parents=True)
            python.touch()
        return subprocess.Popen(["true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    monkeypatch.setattr(toolchain, "start", start)
    return ran


def test_a_virtual_environment_is_relative_to_the_root(tmp_path):
    found = Toolchain.of(info(tmp_path, virtualenv=".venv"))

    assert found.folder == tmp_path / ".venv"


def test_a_missing_virtual_environment_is_an_error(tmp_path):
    with pytest.raises(ToolchainError, match=r"`virtualenv` is `\.venv` .* run `pulumi install`"):
        _ = Toolchain(tmp_path, tmp_path, ".venv").python


def test_without_a_virtual_environment_a_variable_names_python(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_PYTHON_CMD", sys.executable)

    assert Toolchain.of(info(tmp_path)).python == sys.executable


def test_a_plugin_has_a_virtual_environment_by_default(tmp_path):
    assert Toolchain.of(info(tmp_path), default_virtualenv="venv").folder == tmp_path / "venv"
    assert Toolchain.of(info(tmp_path, virtualenv="other"), default_virtualenv="venv").folder == tmp_path / "other"


@pytest.mark.parametrize("name", ["uv", "poetry"])
def test_another_toolchain_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(ToolchainError, match=f"toolchain `{name}`"):
        Toolchain.of(info(tmp_path, toolchain=name))


def test_an_active_environment_comes_first_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    monkeypatch.setenv("PATH", "/usr/bin")

    environment = Toolchain(tmp_path, tmp_path, ".venv").environment

    assert environment["PATH"] == f"{tmp_path}/.venv/bin:/usr/bin"
    assert environment["VIRTUAL_ENV"] == f"{tmp_path}/.venv"
    assert "PYTHONHOME" not in environment


def test_an_install_takes_requirements_txt(tmp_path, commands):
    (tmp_path / "requirements.txt").touch()

    list(Toolchain(tmp_path, tmp_path, ".venv").install())

    python = f"{tmp_path}/.venv/bin/python"
    assert commands[0][1:] == ("-m", "venv", f"{tmp_path}/.venv")
    assert commands[1:] == [
        (python, "-m", "pip", "install", "--upgrade", "pip", "setuptools", "wheel"),
        (python, "-m", "pip", "install", "-r", "requirements.txt"),
    ]


def test_an_install_without_requirements_ends_early(tmp_path, commands):
    list(Toolchain(tmp_path, tmp_path, ".venv").install())

    assert len(commands) == 2


def test_an_empty_environment_is_installed_before_an_update(tmp_path):
    made = Toolchain(tmp_path, tmp_path, ".venv")
    assert made.needs_install()
    made.folder.mkdir()
    assert made.needs_install()
    (made.folder / "bin").mkdir()

    assert not made.needs_install()
    assert not replace(made, virtualenv="").needs_install()


def test_a_failed_command_is_an_error(tmp_path):
    with pytest.raises(ToolchainError, match="failed with exit code 3"):
        list(Toolchain(tmp_path, tmp_path)._command(sys.executable, "-c", "raise SystemExit(3)"))


def test_output_names_its_stream(tmp_path):
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    process = toolchain.start((sys.executable, "-c", program), tmp_path, {})

    assert sorted(toolchain.output(process)) == [("stderr", b"err\n"), ("stdout", b"out\n")]
    assert process.returncode == 0


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """An engine of each version and a provider, whose names are their contents."""

    def path(name):
        folder = tmp_path / "cache" / name
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / ("pulumi" if name.startswith("pulumi-3") else name)
        program.write_text(name)
        if program.name == "pulumi":
            (folder / "pulumi-language-python-exec").write_text(name)
        return program

    monkeypatch.setattr(tools, "path", path)
    monkeypatch.setattr(pulumi, "BIN", tmp_path / "bin" / "checkout")
    monkeypatch.setattr(pulumi, "STATE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


def test_a_launcher_puts_nothing_into_the_environment(tmp_path, parts):
    """A person's program must not import this checkout by accident."""
    launchers.write_launchers(
        tmp_path / "bin", engine=parts("pulumi"), kubernetes_provider=parts("pulumi-resource-kubernetes")
    )

    assert "PYTHONPATH" not in (tmp_path / "bin" / "pulumi-language-python").read_text()
    assert (tmp_path / "bin" / "pulumi").samefile(parts("pulumi"))
    assert (tmp_path / "bin" / "pulumi-resource-kubernetes").samefile(parts("pulumi-resource-kubernetes"))


def folder_of(environment):
    return Path(environment["PATH"].partition(":")[0])


@pytest.mark.parametrize("engine", [tools.PULUMI, tools.OLDEST_PULUMI], ids=lambda engine: engine.name)
def test_an_engine_has_the_scripts_of_its_version(parts, engine):
    folder = folder_of(pulumi.environment(engine))

    assert (folder / "pulumi").read_text() == engine.name
    assert (folder / "pulumi-language-python-exec").read_text() == engine.name


def test_oldest_engine_has_its_own_folder(parts):
    newest, oldest = pulumi.environment(), pulumi.environment(tools.OLDEST_PULUMI)

    assert folder_of(newest) != folder_of(oldest)
    assert (folder_of(newest) / "pulumi").read_text() == "pulumi"


def test_the_oldest_engine_is_ours_beside_official_parts(parts, monkeypatch):
    monkeypatch.setattr(pulumi, "is_official", lambda: True)

    assert "PATH" not in pulumi.environment()
    assert (folder_of(pulumi.environment(tools.OLDEST_PULUMI)) / "pulumi").read_text() == "pulumi-3.246"


def test_the_language_host_can_be_left_out(parts):
    folder = folder_of(pulumi.environment(language_host=False))

    assert (folder / "pulumi").exists()
    assert not (folder / "pulumi-language-python").exists()
    assert (folder_of(pulumi.environment()) / "pulumi-language-python").exists()


def test_scripts_of_a_module_decide_the_tool_folder():
    other = replace(tools.PULUMI, scripts=())

    assert tools._fingerprint(other) != tools._fingerprint(tools.PULUMI)
