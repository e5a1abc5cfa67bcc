"""Run one command on a stack by the Automation API: the SDK itself serves the program, so no language host is needed.

`python tests/automation.py FOLDER STACK COMMAND` with COMMAND one of preview, up, refresh and destroy. The folder is
a project's, its program is run as it is, and the last line is the number of resources by operation, as JSON.
"""

import json
import runpy
import sys
from pathlib import Path

from pulumi import automation


def main(folder: str, name: str, command: str) -> None:
    def program() -> None:
        runpy.run_path(str(Path(folder, "__main__.py")), run_name="__main__")

    stack = automation.create_or_select_stack(
        name,
        project_name=automation.LocalWorkspace(work_dir=folder).project_settings().name,
        program=program,
        opts=automation.LocalWorkspaceOptions(work_dir=folder),
    )
    result = getattr(stack, command)(on_output=print)
    changes = result.change_summary if command == "preview" else result.summary.resource_changes
    print(json.dumps({str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
