"""The rules of an upgrade: which step to another version Headscale takes, and what goes before it."""

from __future__ import annotations

from headscale_core.values.versions import ONE_MINOR_AT_A_TIME, HeadscaleVersion


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
    if new.major == old.major and new.minor - old.minor > 1 and ONE_MINOR_AT_A_TIME.is_in(new):
        skipped = old._replace(minor=old.minor + 1)
        return f"skips {skipped}: Headscale takes one minor version at a time, and each has to have run"
    return None


def is_another_minor(before: str | None, after: str | None) -> bool:
    """Return whether a change of version may change what Headscale takes."""
    return HeadscaleVersion.parse_or_none(before) != HeadscaleVersion.parse_or_none(after)
