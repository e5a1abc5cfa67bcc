"""The rules of a policy."""

from __future__ import annotations

from headscale_api import HeadscaleClient, NotFound, hujson

_SECTIONS = ("acls", "grants", "ssh")
_NOT_THERE_YET = ("failed to resolve source", "resolved to no IP addresses")


class PolicyError(Exception):
    """Something about a policy that a person has to decide."""


def create(client: HeadscaleClient, declared: str | None, *, overwrite: bool) -> None:
    """Store a policy where none was, or the same one.

    Raises:
        PolicyError: When another one is stored already and it is not said that it may go.
    """
    found = stored(client)
    if found and declared and not overwrite and not means_the_same(found, declared):
        raise PolicyError(
            "Headscale has another policy already, which somebody else stored; see `headscale policy get`, take over "
            "what is needed, and write `overwrite: true` under `policy`"
        )
    store(client, declared)


def store(client: HeadscaleClient, declared: str | None) -> None:
    """Make a policy the one in force; Headscale keeps a copy of each, so the same one is not stored again."""
    if stored(client) != (declared or ""):
        client.set_policy(declared or "")


def stored(client: HeadscaleClient) -> str:
    """Return the policy that Headscale has, empty where it has none."""
    try:
        return client.get_policy()
    except NotFound:
        return ""


def in_force(client: HeadscaleClient, *, declared: str) -> str:
    """Return the policy in force, in the declared words where it means the same."""
    found = stored(client)
    return declared if means_the_same(found, declared) else found


def means_the_same(one: str, other: str) -> bool:
    """Return whether two policies differ in their layout and comments at most."""
    try:
        return bool(hujson.parse(one) == hujson.parse(other))
    except ValueError:
        return one == other


def may_yet_come_true(refusal: str) -> bool:
    """Return whether a policy is refused for its tests alone, by what is in the tailnet now.

    Its users may be made or renamed by the very update that a preview is of, and their nodes join later.
    """
    return any(words in refusal for words in _NOT_THERE_YET)


def what_removal_allows(policy: str) -> str:
    """Return what becomes allowed when a policy is given up."""
    try:
        document = hujson.parse(policy)
    except ValueError:
        document = {}
    counts = {name: len(document.get(name) or ()) for name in _SECTIONS} if isinstance(document, dict) else {}
    rules = ", ".join(f"{count} of `{name}`" for name, count in counts.items() if count) or "no rules"
    return (
        f"the policy goes ({rules}): without one Headscale lets every node reach every port of every other node, and "
        "approves no routes; write the policy that you want instead to keep anything closed"
    )
