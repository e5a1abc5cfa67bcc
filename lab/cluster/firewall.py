"""Which iptables chains and rules are kube-proxy's, kubelet's and the CNI plug-ins', and the input that removes them.

Pure: `iptables-save` text in, `iptables-restore --noflush` input out. Everything else in the text, such as Docker's,
fail2ban's and Tailscale's chains, their rules, and all policies, is left as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lab.cluster.parts import BRIDGE

_PREFIXES = ("KUBE-", "CNI-")
_TARGETS = ("-j", "--jump", "-g", "--goto")
_INTERFACES = ("-i", "--in-interface", "-o", "--out-interface")


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of `iptables-save`.

    Attributes:
        name: `nat`, `filter` and so on.
        chains: Names of its chains.
        rules: Its rules as (chain, rest of the line).
    """

    name: str
    chains: list[str] = field(default_factory=list)
    rules: list[tuple[str, str]] = field(default_factory=list)


def chains(saved: str) -> list[str]:
    """Return the chains with kube-proxy's and CNI's names, as `table/chain`.

    Args:
        saved: What `iptables-save` printed.
    """
    return [f"{table.name}/{chain}" for table in _tables(saved) for chain in table.chains if _has_prefix(chain)]


def removal(saved: str, foreign: Collection[str] = ()) -> str:
    """Return the input for `iptables-restore --noflush` that removes the lab's chains and rules; empty if none.

    In each table the rules that jump to these chains go first, then the chains' contents, then the chains: a chain that
    something refers to cannot be deleted.

    Args:
        saved: What `iptables-save` printed.
        foreign: Chains as `table/chain` with such names that existed before the lab; they are kept.
    """
    lines: list[str] = []
    for table in _tables(saved):
        own = [chain for chain in table.chains if _has_prefix(chain) and f"{table.name}/{chain}" not in foreign]
        jumps = [f"-D {chain} {rest}" for chain, rest in table.rules if chain not in own and _is_owned(rest, own)]
        deletions = [*jumps, *(f"-F {chain}" for chain in own), *(f"-X {chain}" for chain in own)]
        if deletions:
            lines += [f"*{table.name}", *deletions, "COMMIT"]
    return "".join(f"{line}\n" for line in lines)


def _has_prefix(chain: str) -> bool:
    return chain.startswith(_PREFIXES)


def _is_owned(rule: str, own: Collection[str]) -> bool:
    """Return whether a rule jumps to one of the lab's chains, or matches traffic from or to the pods' bridge."""
    try:
        words = ["", *shlex.split(rule)]
    except ValueError:
        return False
    for before, option, value in zip(words, words[1:], words[2:], strict=False):
        if option in _TARGETS and value in own:
            return True
        if option in _INTERFACES and value == BRIDGE and before != "!":
            return True
    return False


def _tables(saved: str) -> Iterator[_Table]:
    table = _Table("")
    for line in saved.splitlines():
        if line.startswith("*"):
            table = _Table(line[1:].strip())
        elif line.startswith(":"):
            table.chains.append(line[1:].split()[0])
        elif line.startswith("-A "):
            _, chain, rest = line.split(" ", 2)
            table.rules.append((chain, rest))
        elif line == "COMMIT":
            yield table
