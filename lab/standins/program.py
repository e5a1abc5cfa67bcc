"""The process in which a Pulumi program runs, told by the language host through stdin what it is."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import signal
import sys
import traceback

import pulumi
from pulumi.runtime import Settings, configure, set_all_config
from pulumi.runtime.stack import run_in_stack

BAIL = 32


def main() -> int:
    """Run the program and return the exit code that the official host would."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    told = json.load(sys.stdin)
    set_all_config(told["config"], told["secret_keys"])
    configure(
        Settings(
            project=told["project"],
            stack=told["stack"],
            parallel=told["parallel"],
            dry_run=told["dry_run"],
            monitor=told["monitor"],
            engine=told["engine"],
            organization=told["organization"],
            root_directory=told["root"],
        )
    )
    os.chdir(told["pwd"])
    # In place of this file's own folder: the program sees its own modules and its environment's, as officially.
    sys.path[0] = told["program"]
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return _run(loop, told["program"])


def _execute(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _run(loop: asyncio.AbstractEventLoop, program: str) -> int:
    try:
        loop.run_until_complete(run_in_stack(lambda: _execute(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return BAIL
    except Exception:  # noqa: BLE001 - whatever a program raises is the engine's to show
        pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
        return BAIL
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
