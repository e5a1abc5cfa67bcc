"""A program that runs with Pulumi's mocks in a process of its own, as somebody would run it."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_RUN = """
import json
import sys
import pulumi

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        sys.stdout.write(f"{args.typ} {args.name}\\n") # in one piece: threads write at once
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args):
        raise AssertionError(args.token)

text, project, settings = sys.argv[1:]
pulumi.runtime.set_mocks(Mocks(), project=project)
pulumi.runtime.set_all_config(json.loads(settings))

@pulumi.runtime.test
def declare():
    exec(text, {})

declare()
"""


def declared(text, project="project", settings=None):
    """Return the resources that a program declares, each as `type name`.

    Args:
        text: The program.
        project: The name of its project.
        settings: What `pulumi config` has, by `project:name`.
    """
    command = [sys.executable, "-c", _RUN, text, project, json.dumps(settings or {})]
    run = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()
