"""The lab's command line: `python -m lab VERB`. The Makefile has the verbs that users run."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from lab import cluster, images, stack, tools
from lab.progress import LabError, say
from lab.state import kubeconfig

_STARTED_AT = "LAB_STARTED_AT"
"""The environment variable in which make passes its start time, in seconds since 1970: before it made .venv."""


def _tool(arguments: argparse.Namespace) -> None:
    print(tools.path(arguments.name))


def _images(_: argparse.Namespace) -> None:
    for archive in images.build():
        print(archive)


def _leftovers(_: argparse.Namespace) -> None:
    found = cluster.leftovers()
    if found:
        raise LabError("the lab left on this machine:\n" + "\n".join(found), "run `make down`")


def _timed(verb: str, run: Callable[[], None]) -> None:
    """Run a verb, and print its duration at the end."""
    started = float(os.environ.get(_STARTED_AT) or time.time())
    run()
    minutes, seconds = divmod(round(time.time() - started), 60)
    say(f"make {verb}: {minutes} min {seconds} s" if minutes else f"make {verb}: {seconds} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], None], help_: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help_, description=help_)
        added.set_defaults(run=run)
        return added

    verb("up", lambda _: _timed("up", stack.up), "create a cluster unless there is one, deploy the lab stack, show it")
    verb("down", lambda _: _timed("down", stack.down), "remove everything but the cache")
    verb("prepare", lambda _: stack.prepare(), "create the cluster and its images, deploy nothing")
    verb("status", lambda _: stack.status(), "what runs, where, and when keys expire")
    verb("join", lambda _: stack.join(), "join a demo node with the key of a Secret")
    verb("shell-env", lambda _: stack.shell_env(), "print exports for your own commands")
    verb("kubeconfig", lambda _: print(kubeconfig()), "print the path of the kubeconfig in use")
    verb("images", _images, "build the images and print their archives")
    verb("leftovers", _leftovers, "list what the lab left on this machine; exit code 1 if anything")
    verb("tools", lambda _: tools.build_all(), "build every tool that is not cached yet")
    verb("tool", _tool, "print the path of a tool, building it if needed").add_argument("name")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code: 0 success, 1 failure, 2 usage error."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except LabError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"hint: {error.hint}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
