"""Hold what is refused here against what each version of Headscale refuses, and name every difference.

Usage: python -m tests.truth [CORPUS…]
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.truth import cases, compare, drawn, known, own_data, tables, texts
from tests.truth.case import Case
from tests.truth.compare import AGREE_ACCEPT, AGREE_REFUSE, OF_NODES, TOO_LAX, TOO_STRICT, Group, Outcome
from tests.truth.engine import VERSIONS

LEAST = 99.5
"""Percent of what Headscale accepts, and of what it refuses, on which both sides agree."""
CORPORA: dict[str, Callable[[], Iterator[Case]]] = {
    "cases": cases.cases,
    "own": own_data.cases,
    "texts": texts.cases,
    "tables": tables.cases,
    "drawn": drawn.cases,
}
_COLUMNS = (AGREE_ACCEPT, AGREE_REFUSE, TOO_LAX, TOO_STRICT, OF_NODES)


def main(names: list[str]) -> int:
    begin = time.monotonic()
    asked = [case for name in names or CORPORA for case in CORPORA[name]()]
    found = [outcome for version in VERSIONS for outcome in compare.outcomes(version, asked)]
    explained = known.explained(found)
    failed = table(found)
    for group in compare.groups(found, explained):
        show(group)
    unexplained = sum(1 for outcome in found if outcome.verdict in (TOO_LAX, TOO_STRICT) and outcome not in explained)
    print(
        f"\n{len(found)} questions, {unexplained} differences that nobody has explained, {time.monotonic() - begin:.0f} s"
    )
    for line in failed:
        print(line)
    return 1 if failed or unexplained else 0


def table(found: list[Outcome]) -> list[str]:
    """Print what was counted, and return where it is too little."""
    print("| version | corpus | " + " | ".join(_COLUMNS) + " | % of accepted | % of refused |")
    print("| --- " * (len(_COLUMNS) + 4) + "|")
    failed = []
    corpora = list(dict.fromkeys(outcome.case.corpus for outcome in found))
    for version in VERSIONS:
        for corpus in (*corpora, "all"):
            count = Counter(
                outcome.verdict
                for outcome in found
                if outcome.version == version and corpus in (outcome.case.corpus, "all")
            )
            accepted = percent(count[AGREE_ACCEPT], count[TOO_STRICT])
            refused = percent(count[AGREE_REFUSE], count[TOO_LAX])
            numbers = " | ".join(str(count[column]) for column in _COLUMNS)
            print(f"| {version} | {corpus} | {numbers} | {accepted:.2f} | {refused:.2f} |")
            if corpus == "all" and min(accepted, refused) < LEAST:
                failed.append(f"{version}: {accepted:.2f} % and {refused:.2f} % agree, {LEAST} % have to")
    return failed


def percent(agree: int, differ: int) -> float:
    return 100 * agree / (agree + differ) if agree + differ else 100


def show(group: Group) -> None:
    """Print a kind of difference with its smallest example."""
    versions = ", ".join(f"{version} ×{count}" for version, count in sorted(group.count.items()))
    example = group.smallest
    print(f"\n{group.verdict} ({versions}){': known, ' + group.known if group.known else ''}")
    print(f"  {group.reason}")
    print(f"  e.g. {example.version} {example.case.corpus}, {example.case.name}: {example.case.text[:600]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
