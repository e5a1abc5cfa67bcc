"""The rules of a policy."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from headscale_core import ApiError, HeadscaleClient, HeadscaleError, InvalidArgument, NotFound
from headscale_core.policy import acl_tests
from headscale_core.policy.deny_all import DENY_ALL
from headscale_core.values import hujson

_SECTIONS = ("acls", "grants", "ssh")


class PolicyError(HeadscaleError):
    """Something about a policy that a person has to decide."""


@dataclass(frozen=True, slots=True)
class ObservedPolicy:
    """What Headscale has of a declared policy.

    Attributes:
        policy: The policy, in the declared words where it means the same.
        skipped: The tests that were left out of it.
        can_run: Whether one of those can be run by now.
    """

    policy: str
    skipped: tuple[str, ...] = ()
    can_run: bool = False


def create(client: HeadscaleClient, declared: str, *, overwrite: bool) -> list[str]:
    """Store a policy where none was, the same one, or the sidecar's; return the tests that were left out.

    Raises:
        PolicyError: When another one is stored already and `overwrite` is not set.
    """
    found = stored(client)
    if (
        found
        and not overwrite
        and found not in {declared, DENY_ALL}
        and acl_tests.skipped_tests(found, declared) is None
    ):
        raise PolicyError(
            "Headscale has another policy already, which this stack did not store; see `headscale policy get`, take "
            "over what is needed, and write `overwrite: true` under `policy`"
        )
    return store(client, declared)


def store(client: HeadscaleClient, declared: str | None) -> list[str]:
    """Store a policy; Headscale keeps a copy of each, so the same one is not stored again.

    `SetPolicy` in https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/db/policy.go creates a row each time.

    Returns:
        The tests that were left out, for Headscale takes none whose nodes have not joined yet.

    Raises:
        ApiError: When Headscale refuses it; a test that fails is named in it.
    """
    found, text = stored(client), declared or ""
    if found == text:
        return []
    try:
        client.set_policy(text)
    except ApiError as error:
        skipped = acl_tests.unresolvable_tests(client, text) if acl_tests.has_unresolvable_tests(error.detail) else []
        if not skipped:
            raise
        reduced = acl_tests.without_tests(text, skipped)
        if found != reduced:
            client.set_policy(reduced)
        return skipped
    return []


def stored(client: HeadscaleClient) -> str:
    """Return the policy that Headscale has, empty where it has none."""
    try:
        return client.get_policy()
    except NotFound:
        return ""


def observe(client: HeadscaleClient, *, declared: str) -> ObservedPolicy:
    """Return what Headscale has of a declared policy."""
    found = stored(client)
    skipped = acl_tests.skipped_tests(found, declared)
    if skipped is None:
        return ObservedPolicy(declared if found == declared else found)
    unresolvable = acl_tests.unresolvable_tests(client, declared) if skipped else []
    return ObservedPolicy(declared, tuple(skipped), can_run=bool({*skipped} - {*unresolvable}))


def check(client: HeadscaleClient, policy: str) -> list[str] | None:
    """Have Headscale check a policy without storing it.

    Returns:
        The tests that would be left out as things are now: the users and nodes that they are about may be created by
        the update that a preview is of, or join later. None where this version cannot check (before 0.29).

    Raises:
        InvalidArgument: When Headscale refuses the rest.
    """
    try:
        return [] if client.check_policy(policy) else None
    except InvalidArgument as error:
        skipped = acl_tests.unresolvable_tests(client, policy) if acl_tests.has_unresolvable_tests(error.detail) else []
        if not skipped:
            raise
        client.check_policy(acl_tests.without_tests(policy, skipped))
        return skipped


def single_line(refusal: str) -> str:
    """Return a refusal of several lines, as those of tests are, in one."""
    return re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", refusal.strip()))


def is_one_of(stored: str, declared: Iterable[str | None]) -> bool:
    """Return whether a stored policy is one of the declared ones, the sidecar's, or none.

    Args:
        stored: What Headscale stores, which may lack the tests that could not run.
        declared: The declared policies; None and empty ones do not count.
    """
    return stored in {"", DENY_ALL} or any(
        is_equivalent(stored, text) or acl_tests.skipped_tests(stored, text) is not None for text in declared if text
    )


def is_equivalent(one: str, other: str) -> bool:
    """Return whether two policies differ in their layout and comments at most."""
    try:
        return bool(hujson.parse(one) == hujson.parse(other))
    except ValueError:
        return one == other


def skipped_tests_warning(policy: str, skipped: Collection[str]) -> str:
    """Return the warning that tests are left out."""
    return (
        f"the policy is stored without {acl_tests.describe(policy, skipped)}: no node of these sources has joined yet, "
        "and Headscale refuses a policy with such tests; `pulumi up --refresh` adds them once the nodes are there"
    )


def removal_warning(policy: str) -> str:
    """Return what becomes allowed when a policy is given up."""
    document = _document(policy)
    counts = {name: len(document.get(name) or ()) for name in _SECTIONS}
    rules = ", ".join(f"{count} of `{name}`" for name, count in counts.items() if count) or "no rules"
    return (
        f"the policy goes ({rules}): without one Headscale lets every node reach every port of every other node, and "
        "approves no routes; write the policy that you want instead to keep anything closed"
    )


def tags_without_owner(before: object, after: object) -> list[str]:
    """Return the tags that a new policy knows no more; none where either is no text, or there is no policy."""
    if not isinstance(before, str) or not isinstance(after, str):
        return []
    old, new = (_section(_document(text), "tagOwners") for text in (before, after))
    return sorted(old.keys() - new.keys())


def removed_tag_owners_warning(tags: Collection[str]) -> str:
    """Return what becomes of nodes whose tags a policy knows no more."""
    named = ", ".join(f"`{tag}`" for tag in tags)
    return (
        f"{named} no longer under `tagOwners` of the policy: nodes with such a tag keep it, and no rule can name "
        "them by it any more; give them another by `headscale nodes tag --identifier ID --tags TAGS`"
    )


_AMBIGUOUS = re.compile(r'multiple users found(?:: token \\?"([^"\\]*))?')
_REFUSED = "policy manager:"


def crash_hint(log_text: str) -> str | None:
    """Return what keeps a Headscale from starting, where that is the policy in its database, and the way out.

    The policy cannot be fixed through a Headscale that does not start; its command line can write it into the database
    (0.27 and newer, https://github.com/juanfont/headscale/blob/v0.27.1/cmd/headscale/cli/policy.go).

    Args:
        log_text: The end of its log.
    """
    ambiguous = _AMBIGUOUS.search(log_text)
    if ambiguous:
        name = f"`{ambiguous[1]}`" if ambiguous[1] else "a name"
        why = (
            f"the policy in the database names {name}, which is more than one user, as where somebody logged in under "
            "the name of a user created here; write the e-mail address or the id at the provider, which one of them has"
        )
    elif _REFUSED in log_text:
        why = "this version of Headscale refuses the policy in its database"
    else:
        return None
    return (
        f"{why}; Headscale does not start before that is fixed: scale the StatefulSet to 0, and in a pod with the "
        "same image, configuration and PVC run `headscale policy set --force "
        "--bypass-grpc-and-access-database-directly --file policy.hujson`, then scale it to 1"
    )


def _document(policy: str) -> dict[str, Any]:
    """Return a policy, empty where it cannot be read."""
    try:
        document = hujson.parse(policy)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a section, however it is spelt: Headscale minds no capitals."""
    found = next((value for key, value in document.items() if key.lower() == name.lower()), None)
    return found if isinstance(found, dict) else {}
