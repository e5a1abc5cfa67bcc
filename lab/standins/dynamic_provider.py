"""Stand-in for `pulumi-resource-pulumi-python`, which only picks the interpreter; the SDK itself does the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Become the SDK's dynamic provider."""
    virtualenv = os.environ.get("PULUMI_RUNTIME_VIRTUALENV")
    python = Path(virtualenv, "bin", "python") if virtualenv else Path(sys.executable)
    chosen = str(python) if python.exists() else sys.executable
    os.execv(chosen, [chosen, "-u", "-m", "pulumi.dynamic", *sys.argv[1:]])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
