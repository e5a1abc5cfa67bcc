"""Run a stand-in from its file: nothing is put into the environment, which the person's program inherits."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
