"""Put one fault at a time into a copy of the product, and name the unit test that notices: `python -m tests.mutants`.

Exit codes: 0 when every mutant is killed, 1 when one survives, is not found in the source, or breaks the import of its
tests, 2 when tests fail without any mutant.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.table import MUTANTS, Mutant

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("headscale_core", "headscale_component", "dynamic_providers", "headscale_sidecar")
UNIT = ("tests/unit",)
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist")
SECONDS = 900.0

PASSED, FAILED = 0, 1
"""Exit codes of pytest: https://docs.pytest.org/en/stable/reference/exit-codes.html"""

_KILLER = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class MutantError(Exception):
    """A mutant that proves nothing: its source text is not there, or its tests cannot be run."""


def find_source(root: Path, mutant: Mutant) -> Path:
    """Return the one file that holds a mutant's source text: the named one, or the one to which the text has moved.

    Raises:
        MutantError: When the text is not there exactly once.
    """
    named = root / mutant.file
    everywhere = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    for files in ([named] if named.is_file() else [], everywhere):
        found = [path for path in files for _ in range(path.read_text().count(mutant.old))]
        if len(found) > 1:
            raise MutantError(f"its source text is there {len(found)} times: give more of it")
        if found:
            return found[0]
    raise MutantError(f"its source text is not found any more, neither in {mutant.file} nor elsewhere")


def run_tests(root: Path, tests: Iterable[str]) -> tuple[int, str]:
    """Run tests in a copy until one fails, and return pytest's exit code and that test, or what else went wrong."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", *tests]
    # Without bytecode: two versions of a file, written within a second, look the same to Python's cache.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"a time limit of {SECONDS:.0f} s"
    killer = _KILLER.search(run.stdout)
    return run.returncode, killer[1] if killer else (run.stdout + run.stderr)[-400:].strip()


def killer_of(root: Path, mutant: Mutant, tests: Iterable[str]) -> str | None:
    """Put a mutant into a copy, and return the test that kills it; None where it survives. The copy is restored.

    Raises:
        MutantError: When the mutant proves nothing.
    """
    source = find_source(root, mutant)
    original = source.read_text()
    source.write_text(original.replace(mutant.old, mutant.new))
    try:
        code, killer = run_tests(root, tests)
    finally:
        source.write_text(original)
    if code not in {PASSED, FAILED}:
        raise MutantError(f"pytest ended with code {code}: {killer}")
    return killer if code == FAILED else None


def killed(root: Path, mutants: Iterable[Mutant], tests: Callable[[Mutant], Iterable[str]]) -> dict[Mutant, str | None]:
    """Print what kills each mutant, and return it: None for one that survives or proves nothing.

    Raises:
        MutantError: When the tests fail without any mutant, so that they cannot tell.
    """
    chosen = list(mutants)
    if not chosen:
        return {}
    code, said = run_tests(root, sorted({test for mutant in chosen for test in tests(mutant)}))
    if code != PASSED:
        raise MutantError(f"tests fail without any mutant: {said}")
    killers: dict[Mutant, str | None] = {}
    for mutant in chosen:
        try:
            killer = killer_of(root, mutant, tests(mutant))
            verdict = f"killed by {killer}" if killer else f"SURVIVES {' '.join(tests(mutant))}"
        except MutantError as error:
            killer, verdict = None, f"BROKEN: {error}"
        killers[mutant] = killer
        print(f"{mutant.name}: {verdict}", flush=True)
    return killers


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants whose names hold one of the given words, all where none is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="run only the mutants whose names hold one of these words")
    parser.add_argument("--only-named", action="store_true", help="run only the tests that the table names")
    asked = parser.parse_args(arguments)
    chosen = [value for value in MUTANTS if not asked.words or any(word in value.name for word in asked.words)]
    with TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder) / "tree"
        shutil.copytree(REPOSITORY, root, ignore=NOT_COPIED)
        try:
            killers = killed(root, chosen, lambda mutant: mutant.tests)
            if not asked.only_named:
                survivors = [mutant for mutant, killer in killers.items() if killer is None]
                killers |= killed(root, survivors, lambda _: UNIT)
        except MutantError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    number = sum(killer is not None for killer in killers.values())
    print(f"{number} of {len(chosen)} mutants killed")
    return 0 if number == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
