"""The lab's language host behaves as the official one, as a user of the real engine sees it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv

import pytest
import yaml

PLUGIN = """
from typing import TypedDict

import pulumi
from pulumi.provider.experimental import component_provider_host


class GreetingArgs(TypedDict):
    name: pulumi.Input[str]


class Greeting(pulumi.ComponentResource):
    text: pulumi.Output[str]

    def __init__(self, name: str, args: GreetingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("greeter:index:Greeting", name, {}, opts)
        self.text = pulumi.Output.concat("hello ", args["name"])
        self.register_outputs({"text": self.text})


component_provider_host([Greeting], "greeter")
"""
CONSUMER = """
import pulumi


class Greeting(pulumi.ComponentResource):
    text: pulumi.Output[str]


greeting = Greeting("greeter:index:Greeting", "first", {"name": "world", "text": None}, remote=True)
pulumi.export("text", greeting.text)
"""


@pytest.fixture
def plugin(project):
    """A project that consumes the plugin of a folder, in a virtual environment that sees the packages of this one."""
    folder = project.folder / "greeter"
    venv.create(folder / "venv", with_pip=False)
    (packages,) = (folder / "venv").glob("lib/python3*/site-packages")
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "PulumiPlugin.yaml").write_text("runtime: python\n")
    project.write(CONSUMER, packages={"greeter": "./greeter"})
    return folder


def test_run_error_ends_with_exit_code_1(project):
    project.write("import pulumi\nraise pulumi.RunError('2 problems in the stack file')\n")

    run = project.pulumi("preview", check=False)

    assert run.returncode != 0
    assert "error: 2 problems in the stack file" in run.stdout
    assert "error: an unhandled error occurred: program exited with non-zero exit code: 1" in run.stdout
    assert "Traceback" not in run.stdout


def test_traceback_starts_at_the_program(project):
    project.write("def divide(by):\n    return 1 / by\n\n\ndivide(0)\n")

    run = project.pulumi("preview", check=False)

    frames = [line for line in run.stdout.splitlines() if line.strip().startswith("File ")]
    assert run.returncode != 0
    assert "Program failed with an unhandled exception:" in run.stdout
    assert [line.rpartition(" in ")[2] for line in frames] == ["<module>", "divide"]
    assert "non-zero exit code" not in run.stdout


def test_exiting_program_reports_its_exit_code(project):
    project.write("import sys\nsys.exit(7)\n")

    run = project.pulumi("preview", check=False)

    assert "an unhandled error occurred: program exited with non-zero exit code: 7" in run.stdout


def test_program_runs_four_threads_for_each_operation(project):
    project.write(
        "import asyncio, pulumi\npulumi.export('threads', asyncio.get_event_loop()._default_executor._max_workers)\n"
    )

    project.pulumi("up", "--yes", "--skip-preview", "--parallel", "5")

    assert json.loads(project.pulumi("stack", "output", "threads", "--json").stdout) == 20


def test_configuration_reaches_program_by_environment(project):
    project.write(
        "import json, os, pulumi\n"
        "pulumi.export('config', json.loads(os.environ['PULUMI_CONFIG']))\n"
        "pulumi.export('secret', json.loads(os.environ['PULUMI_CONFIG_SECRET_KEYS']))\n"
        "pulumi.export('password', pulumi.Config().require_secret('password'))\n"
        "pulumi.export('root', pulumi.get_root_directory())\n"
        "pulumi.export('organization', pulumi.get_organization())\n"
    )
    project.pulumi("config", "set", "size", "3")
    project.pulumi("config", "set", "--secret", "password", "hunter2")

    outputs = project.outputs()

    assert outputs == {
        "config": {"tried:size": "3", "tried:password": "hunter2"},
        "secret": ["tried:password"],
        "password": "[secret]",
        "root": str(project.folder),
        "organization": "organization",
    }


def test_configuration_beyond_128_kib_does_not_start(project):
    """Linux gives a variable no more: https://man7.org/linux/man-pages/man2/execve.2.html, MAX_ARG_STRLEN."""
    project.write("")
    stack = project.folder / "Pulumi.dev.yaml"
    stack.write_text(stack.read_text() + yaml.safe_dump({"config": {"tried:long": "x" * 128 * 1024}}))

    run = project.pulumi("preview", check=False)

    assert "problem executing program (could not run language executor)" in run.stdout
    assert "Argument list too long" in run.stdout


def test_missing_virtual_environment_is_named(project):
    (project.folder / "gone").mkdir(parents=True)
    (project.folder / "gone" / "something").touch()
    project.write("", runtime={"name": "python", "options": {"virtualenv": "gone"}})

    run = project.pulumi("preview", check=False)

    assert run.returncode != 0
    assert "gone is no virtual environment: run `pulumi install`" in run.stdout + run.stderr


def test_toolchain_other_than_pip_is_refused(project):
    project.write("", runtime={"name": "python", "options": {"toolchain": "uv"}})

    run = project.pulumi("preview", check=False)

    assert run.returncode != 0
    assert "toolchain `uv`: the lab's language host has pip only" in run.stdout + run.stderr


def test_about_names_interpreter_packages_and_plugins(project):
    project.write("")

    about = json.loads(project.pulumi("about", "--json").stdout)

    assert about["runtime"]["executable"] == f"{sys.prefix}/bin/python"
    assert about["runtime"]["version"] == sys.version.split()[0]
    assert "pulumi-kubernetes" in {each["name"] for each in about["dependencies"]}
    assert "kubernetes" in {each["name"] for each in about["plugins"]}


def test_component_plugin_runs_from_its_folder(project, plugin):
    (plugin / "__main__.py").write_text(PLUGIN)

    assert project.outputs() == {"text": "hello world"}


def test_plugin_that_exits_early_shows_why(project, plugin):
    (plugin / "__main__.py").write_text("import sys\nprint('out of wool', file=sys.stderr)\nsys.exit(3)\n")

    run = project.pulumi("preview", check=False)

    assert run.returncode != 0
    assert "out of wool" in run.stdout + run.stderr


def test_language_host_exits_with_its_engine(engine):
    shell = f"{engine}/pulumi-language-python 127.0.0.1:1 & exec sleep 60"
    parent = subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        port = int(parent.stdout.readline())
        parent.kill()

        # The language host has the other end open: the output ends when the last process has exited.
        rest, _ = parent.communicate(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)

    assert port > 0
    assert rest == ""
