"""Hold what is refused here against what each version of Headscale refuses, and name every difference.

It fails where a version agrees on too little, where a difference has no reason, and where a reason has no difference.

Usage: python -m tests.truth [--examples N] [CORPUS…]
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.truth import cases, compare, configs, drawn, inline, known, own_data, tables, texts, words
from tests.truth.case import Case
from tests.truth.compare import AGREE_ACCEPT, AGREE_REFUSE, MEANT, OF_NODES, TOO_LAX, TOO_STRICT, Group, Outcome
from tests.truth.engine import VERSIONS

LEAST = 99.5
"""Percent of what Headscale accepts, and of what it refuses, on which both sides agree."""
CORPORA: dict[str, Callable[[], Iterator[Case]]] = {
    "cases": cases.cases,
    "own": own_data.cases,
    "texts": texts.cases,
    "tables": tables.cases,
    "inline": inline.cases,
    "drawn": drawn.cases,
    "configs": configs.cases,
}
_COLUMNS = (AGREE_ACCEPT, AGREE_REFUSE, TOO_LAX, TOO_STRICT, MEANT, OF_NODES)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__.partition("\n")[0])
    options.add_argument("corpora", nargs="*", metavar="CORPUS", help=f"default: {' '.join(CORPORA)}")
    options.add_argument("--examples", type=int, default=1, help="how many of each difference are shown")
    chosen = options.parse_args()
    begin = time.monotonic()
    asked = [case for name in chosen.corpora or CORPORA for case in CORPORA[name]()]
    found = [outcome for version in VERSIONS for outcome in compare.outcomes(version, asked)]
    meant = known.explained(found)
    failed = table(found, meant)
    if not chosen.corpora:
        failed += [f"a reason that no difference has any more: {why}" for why in known.unused(meant)]
    differences = [outcome for outcome in found if outcome.verdict in (TOO_LAX, TOO_STRICT) and outcome not in meant]
    for group in compare.groups(differences, chosen.examples):
        show(group)
    for why, count in Counter(meant.values()).most_common():
        print(f"\n{MEANT}: {count} times, {why}")
    print(
        f"\n{len(found)} questions, {len(differences)} differences without a reason, {time.monotonic() - begin:.0f} s"
    )
    for line in failed:
        print(line)
    return 1 if failed or differences else 0


def table(found: list[Outcome], meant: dict[Outcome, str]) -> list[str]:
    """Print what was counted, and return where it is too little."""
    print("| version | corpus | " + " | ".join(_COLUMNS) + " | % of accepted | % of refused |")
    print("| --- " * (len(_COLUMNS) + 4) + "|")
    failed = []
    for version in VERSIONS:
        for corpus in (*dict.fromkeys(outcome.case.corpus for outcome in found), "all"):
            count = Counter(
                MEANT if outcome in meant else outcome.verdict
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
    """Print a kind of difference with its smallest examples."""
    versions = ", ".join(f"{version}: {count}" for version, count in sorted(group.count.items()))
    print(f"\n{group.verdict} ({versions})\n  {group.reason}")
    for example in group.examples:
        print(f"  e.g. {example.version} {example.case.corpus}, {example.case.name}: {brief(example.case)[:500]}")


def brief(case: Case) -> str:
    """Return a text without the names that most policies of the corpora define."""
    if case.corpus not in ("tables", "inline", "drawn"):
        return case.text
    named = words.NAMES | tables.OPEN
    left = {key: value for key, value in json.loads(case.text).items() if named.get(key) != value}
    return json.dumps(left, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
