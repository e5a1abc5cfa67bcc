"""Where both sides say the same of a policy or a configuration, and where they do not."""

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.truth.case import Case, question
from tests.truth.engine import Engine
from tests.truth.ours import said_of_config, said_of_policy

AGREE_ACCEPT, AGREE_REFUSE = "both accept", "both refuse"
TOO_LAX, TOO_STRICT = "accepted here, refused there", "refused here, accepted there"
MEANT = "differ on purpose"
OF_NODES = "depends on nodes"
"""Headscale starts with it, and its API refuses it for the nodes that there are: nothing known before says so."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What both sides say of a case."""

    version: str
    case: Case
    ours: str | None
    theirs: str | None
    of_nodes: bool = False

    @property
    def verdict(self) -> str:
        if self.of_nodes and self.ours is None:
            return OF_NODES
        if self.theirs is None:
            return AGREE_ACCEPT if self.ours is None else TOO_STRICT
        return AGREE_REFUSE if self.ours else TOO_LAX

    @property
    def reason(self) -> str:
        """What is said by the side that refuses, without what is of this case alone."""
        return normalised(self.theirs or self.ours or "")


def outcomes(version: str, cases: Iterable[Case]) -> Iterator[Outcome]:
    """Ask both sides of each case that a version is asked of."""
    with Engine(version) as engine, tempfile.TemporaryDirectory() as folder:
        for case in cases:
            if version not in case.versions:
                continue
            if case.kind == "policy":
                ours, text = said_of_policy(version, case, Path(folder))
                theirs = engine.ask(question(case, text))
            else:
                ours, text = said_of_config(version, case)
                theirs = engine.ask({"kind": "config", "text": text})
            yield Outcome(version, case, ours, theirs.error, theirs.of_nodes)


_PARTS = (
    (re.compile(r"^policy\.file: "), ""),
    (re.compile(r"^parsing policy: |parsing policy from bytes: "), ""),
    # Go's JSON says one of two sentences at random, so that nobody rests on it.
    (re.compile(r"\w+: (cannot|unable to) unmarshal (JSON \w+) into Go \S+ within \"[^\"]*\": "), r"\2: "),
    (re.compile(r"cannot|unable to"), "cannot"),
    (re.compile(r"`[^`]*`"), "`…`"),
    (re.compile(r'"(?:\\.|[^"\\])*"'), '"…"'),
    (re.compile(r"'[^']*'"), "'…'"),
    (re.compile(r"(?<=[\w\])])\.(tag|group|[\w-]+@|x|web|net|six)\S*"), ".…"),
    (re.compile(r"\d+"), "N"),
)


def normalised(text: str) -> str:
    """Return the first line of a message without names and numbers."""
    first, *more = text.strip().splitlines() or ["(says nothing)"]
    line = f"{first} {more[0].strip()}" if more and first.endswith(":") else first
    for pattern, instead in _PARTS:
        line = pattern.sub(instead, line)
    return line[:200]


@dataclass(slots=True)
class Group:
    """Disagreements of one kind and one reason.

    Attributes:
        verdict: Which of both refuses.
        reason: What it says.
        count: How many cases, by version.
        examples: The smallest of them.
    """

    verdict: str
    reason: str
    count: Counter[str]
    examples: list[Outcome]


def groups(found: Iterable[Outcome], examples: int) -> list[Group]:
    """Return disagreements by their reason, the largest group first, each with some of its smallest cases."""
    parted: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in found:
        parted[outcome.verdict, outcome.reason].append(outcome)
    made = [
        Group(
            verdict,
            reason,
            Counter(outcome.version for outcome in members),
            sorted(_each_case_once(members), key=lambda outcome: len(outcome.case.text))[:examples],
        )
        for (verdict, reason), members in parted.items()
    ]
    return sorted(made, key=lambda group: (group.verdict, -group.count.total()))


def _each_case_once(outcomes: list[Outcome]) -> list[Outcome]:
    return list({outcome.case.text: outcome for outcome in reversed(outcomes)}.values())
