"""The command line: look at a stack before, or without, Pulumi.

    python -m headscale_component validate --stack dev
    python -m headscale_component render --stack dev
    python -m headscale_component diff-version v0.29.3 --stack dev
    python -m headscale_component schema | reference

Exit codes: 0 all is well, 1 something is wrong with the stack, 2 the command was not understood.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from headscale_component.spec.errors import Problem, SpecError
from headscale_component.spec.escapes import escaped
from headscale_component.spec.instances import ROOT
from headscale_component.spec.notes import notes_on
from headscale_component.stack_file import (
    StackFile,
    load_file,
    prepared,
    project_directory,
    read,
    stack_file,
    stack_files,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    if parsed.command in {"schema", "reference"}:
        from headscale_component import schema  # noqa: PLC0415 - loaded where it is needed

        print(schema.stack_schema() if parsed.command == "schema" else schema.reference_page(), end="")
        return 0
    run = {"validate": _validate, "render": _render, "diff-version": _diff_version}[parsed.command]
    try:
        paths = _paths(parsed)
    except SpecError as error:
        return _print_problems(error.problems, None)
    return max([_run(run, path, parsed) for path in paths])


def _run(run: Callable[[StackFile, argparse.Namespace], int], path: Path, parsed: argparse.Namespace) -> int:
    """Run a command on one stack file and return its exit code; what is wrong with one says nothing of the others."""
    file = None
    try:
        file = read(path)
        # Where Pulumi runs the program: the file of a policy is sought from there.
        with contextlib.chdir(project_directory(path) or Path()):
            return run(file, parsed)
    except SpecError as error:
        # What is rendered is for other programs to read.
        return _print_problems(error.problems, file, sys.stderr if run is _render else sys.stdout)


def _paths(parsed: argparse.Namespace) -> list[Path]:
    """Return the stack files in question: the one that is named, else all of the project's."""
    if parsed.file:
        return [parsed.file]
    return [stack_file(parsed.directory, parsed.stack)] if parsed.stack else stack_files(parsed.directory)


def _validate(file: StackFile, parsed: argparse.Namespace) -> int:
    for name, spec in load_file(file).items():
        for note in notes_on(spec, name):
            print(escaped(f"note: {name}: {note}"))
    print("ok" if parsed.file or parsed.stack else f"{file.path}: ok")
    return 0


def _render(file: StackFile, _: argparse.Namespace) -> int:
    from headscale_component.render import documents, to_yaml  # noqa: PLC0415 - loads pulumi_kubernetes

    for name, spec in load_file(file).items():
        print(to_yaml(documents(name, spec)), end="")
    return 0


def _diff_version(file: StackFile, parsed: argparse.Namespace) -> int:
    from headscale_component import upgrade  # noqa: PLC0415 - loads pulumi_kubernetes

    broken, written = [], prepared(file.instances)
    for name, spec in load_file(file).items():
        print(escaped(f"{name}: {spec.version} -> {parsed.version}"))
        problems = upgrade.blockers(written[name], parsed.version)
        broken += [problem.under(ROOT, name) for problem in problems]
        for problem in problems:
            print(escaped(f"  ! {problem}"))
        if not upgrade.is_exact(parsed.version):
            continue
        if not any(problem.path[:1] != ("version",) for problem in problems):
            for line in upgrade.changes(spec, parsed.version) or ["(config.yaml stays as it is)"]:
                print(f"  {line}")
        for note in upgrade.notes(spec, parsed.version):
            print(escaped(f"  note: {note}"))
    return 1 if broken else 0


def _print_problems(problems: Sequence[Problem], file: StackFile | None, stream: TextIO | None = None) -> int:
    lines = file.format_problems(problems) if file else [escaped(problem.message) for problem in problems]
    print("\n".join(lines), file=stream)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m headscale_component", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_ in (
        ("validate", "print every error of a stack, or `ok`"),
        ("render", "print the manifests and config.yaml that a stack makes; secrets are references"),
        ("diff-version", "say what another version of Headscale would change or break"),
    ):
        command = commands.add_parser(name, help=help_, description=help_)
        if name == "diff-version":
            command.add_argument("version", help="the version to go to, as v0.29.3")
        which = command.add_mutually_exclusive_group()
        which.add_argument("file", nargs="?", type=Path, help="a stack file")
        which.add_argument("--stack", help="a stack of the project; default: all of them")
        command.add_argument(
            "--directory", type=Path, default=Path(), help="the folder with Pulumi.yaml; default: here"
        )
    commands.add_parser("schema", help="print the JSON Schema of stack files")
    commands.add_parser("reference", help="print the reference of every key")
    return parser


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        # The reader of the pipe, for example `head`, closed it. Without this Python reports that again at exit
        # (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
