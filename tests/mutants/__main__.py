"""Put each mutant into a copy of the code, and print the unit test that kills it: `make mutants`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.table import MUTANTS, Mutant

REPOSITORY = Path(__file__).parents[2]
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def main() -> int:
    """Run the mutants whose names contain an argument, or all; return 1 where one survives or has no place any more."""
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or any(word in mutant.name for word in sys.argv[1:])]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        survivors = 0
        for mutant, killer in zip(chosen, pool.map(killed_by, chosen), strict=True):
            survivors += not killer
            print(f"{'killed  ' if killer else 'SURVIVES'}  {mutant.name:<62} {killer}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants are killed by unit tests")
    return 1 if survivors else 0


def killed_by(mutant: Mutant) -> str:
    """Return the first test that fails with the mutant in place, empty where none does."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for file in _tracked():
            if (REPOSITORY / file).is_file():
                (copy / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / file, copy / file)
        source = copy / mutant.file
        text = source.read_text()
        if text.count(mutant.before) != 1:
            raise SystemExit(f"error: `{mutant.before}` stands {text.count(mutant.before)} times in {mutant.file}")
        source.write_text(text.replace(mutant.before, mutant.after))
        return next(filter(None, (_failing(copy, tests) for tests in (mutant.tests, ("tests/unit",)))), "")


def _tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line != ".venv"]


def _failing(copy: Path, tests: tuple[str, ...]) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    found = _FAILED.search(run.stdout)
    return found[1] if found else "" if run.returncode == 0 else f"({run.stdout.strip().splitlines()[-1]})"


if __name__ == "__main__":
    sys.exit(main())
