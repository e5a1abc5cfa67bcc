"""The rules of an upgrade: which step to another version Headscale takes, and what goes before it."""

from __future__ import annotations

from headscale_core.values.versions import NEWEST_HEADSCALE, ONE_MINOR_AT_A_TIME, HeadscaleVersion


def step_problem(before: str | None, after: str | None) -> str | None:
    """Return why Headscale would not start after a change of version, None where nothing is known against it.

    Headscale itself checks it from 0.29 on: `checkVersionUpgradePath` in
    https://github.com/juanfont/headscale/blob/main/hscontrol/db/versioncheck.go.

    Args:
        before: The version that ran last, as `v0.28.0`; None where that is not known.
        after: The version to go to.
    """
    old, new = HeadscaleVersion.parse_or_none(before), HeadscaleVersion.parse_or_none(after)
    if old is None or new is None:
        return None
    if new < old:
        return "goes back: newer versions change the database, so only a backup leads back"
    is_far = new.minor - old.minor > 1 if new.major == old.major else old < NEWEST_HEADSCALE
    if is_far and ONE_MINOR_AT_A_TIME.is_in(new):
        skipped = old._replace(minor=old.minor + 1)
        return f"skips {skipped}: Headscale takes one minor version at a time, and each has to have run"
    return None


def is_another_minor(before: str | None, after: str | None) -> bool:
    """Return whether a change of version may change what Headscale takes."""
    return HeadscaleVersion.parse_or_none(before) != HeadscaleVersion.parse_or_none(after)


def is_noteworthy(before: str | None, after: str | None, since: str) -> bool:
    """Return whether a note on a version concerns a change of version.

    Args:
        before: The version that ran last, as `v0.28.0`; None where that is not known.
        after: The version to go to.
        since: The first version that the note is about, as `0.29`; empty for every one.
    """
    old, new, first = map(HeadscaleVersion.parse_or_none, (before, after, since))
    if old is None or new is None or before == after:
        return False
    return not since or (first is not None and old < first <= new)


def stored_policy_problem(before: str, after: str) -> str:
    """Return why an upgrade does not begin where Headscale has another policy than the stack: it may not start with it.

    Headscale reads the stored policy at start, and ends where it refuses it: `NewHeadscale` in
    https://github.com/juanfont/headscale/blob/main/hscontrol/app.go.

    Args:
        before: The version that runs, as `v0.28.0`.
        after: The version to go to.
    """
    return (
        f"the policy that Headscale has stored is not the one of this stack, and {after} does not start if it refuses "
        f"that: declare `version: {before}` again and run `pulumi up --refresh`, by which the stack's policy is in "
        "force; then upgrade. Changes that somebody made by hand are lost unless you take them over into the stack. "
        "`overwrite: true` under `policy` replaces them without this step"
    )


def unknown_policy_problem(before: str, after: str, why: str) -> str:
    """Return why an upgrade does not begin where the pod runs and cannot be asked for its policy.

    Args:
        before: The version that runs, as `v0.28.0`.
        after: The version to go to.
        why: Why it cannot be asked.
    """
    return (
        f"{before} runs and cannot be asked for its policy, and {after} does not start if it refuses that one: {why}; "
        "fix this and run `pulumi up` again"
    )
