"""Differences that are meant, each with its reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.truth.compare import TOO_LAX, TOO_STRICT, Outcome


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant.

    Attributes:
        verdict: Which side refuses.
        says: A pattern of what it says.
        why: Why it stays.
    """

    verdict: str
    says: str
    why: str

    def explains(self, outcome: Outcome) -> bool:
        """Return whether a difference is of this kind; of what is refused here, every problem has to be."""
        if outcome.verdict != self.verdict:
            return False
        said = (outcome.theirs if self.verdict == TOO_LAX else outcome.ours).strip()
        lines = said.splitlines()[:1] if self.verdict == TOO_LAX else said.splitlines()
        return all(re.search(self.says, line) for line in lines)


KNOWN = (
    Known(
        TOO_STRICT,
        r"is not under `users`; declare it there",
        "Headscale takes a policy that names nobody it knows, and the rule is silently empty: a typing mistake",
    ),
)


def explained(found: Iterable[Outcome]) -> dict[Outcome, str]:
    """Return the differences that are meant, each with its reason."""
    return {
        outcome: known.why
        for outcome in found
        if outcome.verdict in (TOO_LAX, TOO_STRICT)
        for known in KNOWN
        if known.explains(outcome)
    }
