"""The lab's command line: `python -m lab VERB`. The verbs that people use stand in the Makefile."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from lab import tools
from lab.progress import LabError, say


def _tool(arguments: argparse.Namespace) -> None:
    print(tools.path(arguments.name))


def _tools(_: argparse.Namespace) -> None:
    tools.build_all()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], None], help_: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help_, description=help_)
        added.set_defaults(run=run)
        return added

    verb("tool", _tool, "print the path of a tool, building it where needed").add_argument("name")
    verb("tools", _tools, "build every tool that is not cached yet")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; 0 when it worked, 1 when not, 2 when it was not understood."""
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
