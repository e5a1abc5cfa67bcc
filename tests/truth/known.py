"""Differences that are meant, each with its reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.truth.compare import TOO_LAX, TOO_STRICT, Outcome
from tests.truth.engine import VERSIONS


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant.

    Attributes:
        says: A pattern of what the side says that refuses.
        why: Why it stays.
        verdict: Which side refuses.
        versions: Of which versions it is known.
    """

    says: str
    why: str
    verdict: str = TOO_STRICT
    versions: tuple[str, ...] = tuple(VERSIONS)

    def of(self, outcome: Outcome) -> bool:
        """Return whether a difference may be of this kind."""
        return outcome.verdict == self.verdict and outcome.version in self.versions


_OLDER = ("0.26", "0.27", "0.28")
_NEWER = r"^policy\.(file: )?(grants|nodeAttrs|tests|sshTests|randomizeClientPort)\b"
_NEWER_CONFIG = r"^config\.(node|trusted_proxies|auto_update|taildrop|tuning)\b"

KNOWN = (
    Known(
        r"is not under `users`; declare it there",
        "Headscale takes users that it does not know, and the rule is silently empty: a typing mistake",
    ),
    Known(
        rf"{_NEWER}|^policy.*(\.acceptEnv\b|: unknown key; |: needs Headscale 0\.29|: is ignored by Headscale 0\.26)",
        "0.26 silently passes over keys that it does not know: what they say would not hold",
        versions=("0.26",),
    ),
    Known(
        r"^policy.* in one object, which are one key; keep one of them",
        "0.26 takes one of two equal keys: what the other says would not hold",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*has a lone surrogate",
        "0.26 reads another character in place of half a character: two such names would be one",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*\[\d+\]\.(src|dst|users|target): is required and missing",
        "a rule without these does nothing, and Headscale takes it silently: something was left out",
    ),
    Known(
        r"^policy.*ssh\[\d+\]\.action: is required and missing",
        "0.27 and 0.28 do not read the action of a rule without sources: the first one would make them refuse this",
        versions=("0.27", "0.28"),
    ),
    Known(
        r"^policy.*acls\[\d+\]\.action: is required and missing",
        "0.29 reads a rule without an action as one that accepts, as no version before: it has to be written",
        versions=("0.29",),
    ),
    Known(
        r"^policy.*: must be (a |`).*, not `null`$",
        "Go reads null as a value with nothing in it, which allows nothing: something was left out",
    ),
    Known(
        r"^policy.*\.dst\[\d+\]: `[^`]*` has no ports; write them",
        "0.26 takes a destination without ports, and opens none",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*\.proto: `[^`]*` (is no protocol|has to be in small letters for Headscale 0\.26)",
        "0.26 reads the protocol only of rules that allow something: the first destination would make it refuse this",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*tagOwners.*: begins with `tag:`",
        "0.26 takes owners of what is no tag: a typing mistake",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*twice in one object",
        "0.26 takes the second of two equal keys: what the first says would not hold",
        versions=("0.26",),
    ),
    Known(
        r"^policy.*autoApprovers\.routes\.: is no network",
        "Go reads an empty text as no network at all, which approves nothing: something was left out",
    ),
    Known(
        r"^policy.*ssh\[\d+\]\.dst\[\d+\]: .*(is not under `hosts`|may not stand here|is no network|has brackets)",
        "0.27 and 0.28 take hosts that nobody defines, and let nobody in there",
        versions=("0.27", "0.28"),
    ),
    Known(
        rf"{_NEWER_CONFIG}|^config.*(: unknown key|: is new in \d)",
        "versions that do not know a key of the configuration pass over it silently",
        versions=_OLDER,
    ),
    Known(
        r"^config.*: unknown key",
        "every version passes silently over keys of the configuration that it does not know: a typing mistake",
    ),
    Known(
        r"^config\.(?!database\.type: .*`sqlite3`|metrics_listen_addr: .*`null`)\S+: "
        r"must be (a (text|list|mapping|number|whole number)|`)",
        "the loader silently makes another value of a wrong one: `policy.mode: Database` is no policy at all",
    ),
    Known(
        r"^config\.server_url: must hold ",
        "the loader takes it, and every client would get it: a password, or an address to which no path can be added",
    ),
    Known(
        r"^config.*( is no (absolute path|address to listen on|duration|mode|nameserver|domain name|range)"
        r"| is not above |-?\d+ is below | must begin with http| must hold | is required |: gives nodes no relay"
        r"|: can be off from 0\.28 on|: is the noise key's file| is no URL| is reached from inside the pod alone"
        r"|: port \d+ is that of | is not there in the pod)",
        "the loader takes it, and the server then does not start, or does something else",
    ),
    Known(
        r"^config\.(acl_policy_path|dns_config): was replaced in 0\.23",
        "the loader passes over keys of before 0.23 where those in their place have a value",
    ),
    Known(
        r"^config\.dns\.base_domain: `[^`]*` holds the host of server_url",
        "Headscale compares the name with host and port, and so misses that nodes would lose their way to it",
    ),
    Known(
        r"^config\.ephemeral_node_inactivity_timeout: `[^`]*` is too short",
        "0.29 passes over the old key; it is written under the new name, which has the limit",
        versions=("0.29",),
    ),
    Known(r"^config.*in clear silently|^config.*falls back to clear text", "Headscale takes it and does not encrypt"),
)
"""What one side refuses and the other does not, on purpose. Of what is refused here, every problem has to be in it."""


def explained(found: Iterable[Outcome]) -> dict[Outcome, str]:
    """Return the differences that are meant, each with its reason."""
    reasons = {outcome: _reason(outcome) for outcome in found if outcome.verdict in (TOO_LAX, TOO_STRICT)}
    return {outcome: why for outcome, why in reasons.items() if why}


def unused(meant: dict[Outcome, str]) -> list[str]:
    """Return the reasons that no difference has."""
    return sorted({known.why for known in KNOWN} - set(meant.values()))


def _reason(outcome: Outcome) -> str:
    known = [one for one in KNOWN if one.of(outcome)]
    said = outcome.theirs.splitlines()[:1] if outcome.verdict == TOO_LAX else outcome.ours.strip().splitlines()
    reasons = [next((one.why for one in known if re.search(one.says, line)), "") for line in said]
    return reasons[0] if all(reasons) else ""
