"""The command line: look at a stack before, or without, Pulumi.

    headscale-component validate --stack dev
    headscale-component render --stack dev
    headscale-component diff-version v0.29.3 --stack dev
    headscale-component schema | reference

`python -m headscale_component` is the same. Results go to standard output; problems go to standard error, as a line
`error:` and, where there is something to write instead, a line `hint:`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

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
from headscale_component.versions import VERSION

OK, PROBLEMS, USAGE, CLOSED_PIPE = 0, 1, 2, 141
"""Exit codes. The last is what a shell reports of a process that SIGPIPE ended: 128 + 13."""

_DESCRIPTION = """\
Check and render stack files of Headscale on Kubernetes. Needs neither Pulumi's engine nor a cluster."""

_EPILOG = """\
examples:
  %(prog)s validate                                    check every stack of the project in this folder
  %(prog)s validate --stack production                 check one
  %(prog)s render --stack production > rendered.yaml   see what would be in the cluster
  %(prog)s diff-version v0.29.3 --stack production     see what an upgrade would change

exit codes:
  0    nothing is wrong
  1    something is wrong with a stack, or stands in the way of the other version
  2    the command or an option is not known
  141  the reader of the output, for example `head`, has closed the pipe

Results go to standard output. Problems go to standard error: a line `error:` says what is wrong, and where; a line
`hint:` below it says what to write instead."""

_REMEDY = re.compile(
    r"; (?=(?:add|choose|correct|did you mean|encrypt|give|join|keep|known are|leave|make|may|name|put|remove|rename|"
    r"save|set|take|upgrade|use|write)\b)"
)
"""Where a message goes on to say what to write instead."""

_PLACE = re.compile(r" \([^()]+, line \d+\)$")
"""The place at the end of a message that names it itself: the file could not be read as a stack."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have the form of all others."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the command, and exit."""
        print(f"error: {message}", file=sys.stderr)
        print(f"hint: run `{self.prog} --help`", file=sys.stderr)
        sys.exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The command and its options; those of the process by default.

    Returns:
        0 nothing is wrong, 1 something is wrong with a stack, 141 the reader of the output has closed the pipe.

    Raises:
        SystemExit: With 2, when the command or an option is not known; with 0 after `--help` and `--version`.
    """
    try:
        code = _command(_parser().parse_args(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Without this Python reports it again at exit (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return CLOSED_PIPE
    return code


def _command(parsed: argparse.Namespace) -> int:
    if parsed.command in {"schema", "reference"}:
        from headscale_component import schema  # noqa: PLC0415 - loaded where it is needed

        print(schema.stack_schema() if parsed.command == "schema" else schema.reference_page(), end="")
        return OK
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
        return _print_problems(error.problems, file)


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
    return OK


def _render(file: StackFile, _: argparse.Namespace) -> int:
    from headscale_component.render import documents, to_yaml  # noqa: PLC0415 - loads pulumi_kubernetes

    for name, spec in load_file(file).items():
        print(to_yaml(documents(name, spec)), end="")
    return OK


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
    return PROBLEMS if broken else OK


def _print_problems(problems: Sequence[Problem], file: StackFile | None) -> int:
    for line in _lines(problems, file):
        print(line, file=sys.stderr)
    return PROBLEMS


def _lines(problems: Sequence[Problem], file: StackFile | None) -> Iterator[str]:
    """Yield the lines of problems, in the order of the file: for each an `error:`, and a `hint:` where it has one."""
    if file is None:
        for problem in problems:
            yield from _error("", escaped(problem.message))
        return
    written = {file.format_problem(problem): escaped(problem.message) for problem in problems}
    for line in file.format_problems(problems):
        message = written[line]
        path, _, place = line.rpartition(message)
        yield from _error(path.removesuffix(": ") + place, message)


def _error(where: str, message: str) -> Iterator[str]:
    """Yield one problem: the words are those that `pulumi up` prints, the remedy in a line of its own."""
    place = found[0] if (found := _PLACE.search(message)) else ""
    fault, *remedy = _REMEDY.split(message.removesuffix(place), maxsplit=1)
    yield f"error: {where}: {fault}{place}" if where else f"error: {fault}{place}"
    yield from (f"hint: {text}" for text in remedy)


def _parser() -> argparse.ArgumentParser:
    program = Path(sys.argv[0]).name
    parser = _Parser(
        prog="headscale-component" if program == "headscale-component" else "python -m headscale_component",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION, help="print the version of this package")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for name, help_ in (
        ("validate", "check stacks: print `ok`, or every error with its line"),
        ("render", "print the Kubernetes manifests and the config.yaml that a stack makes; secrets are references"),
        ("diff-version", "print what another version of Headscale would change or refuse"),
    ):
        command = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        if name == "diff-version":
            command.add_argument("version", metavar="VERSION", help="the version to go to, as v0.29.3")
        which = command.add_mutually_exclusive_group()
        which.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a stack file")
        which.add_argument("--stack", metavar="NAME", help="a stack of the project; default: all of them")
        command.add_argument(
            "--directory",
            metavar="FOLDER",
            type=Path,
            default=Path(),
            help="the folder with Pulumi.yaml; default: here",
        )
    for name, help_ in (
        ("schema", "print the JSON Schema of stack files, for editors"),
        ("reference", "print the reference of every key, in Markdown"),
    ):
        commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
