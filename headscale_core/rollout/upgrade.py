"""The rules of an upgrade: which step to another version Headscale takes, and what goes before it."""

from __future__ import annotations

import re

_STRICT_SINCE = (0, 29)
"""From here on Headscale refuses to skip a minor version (Headscale's changelog of 0.29)."""


def step_problem(before: str | None, after: str | None) -> str | None:
    """Return why Headscale would not start after a change of version, None where nothing is known against it.

    Args:
        before: The version that ran last, as `v0.28.0`; None where that is not known.
        after: The version to go to.
    """
    old, new = _minor(before), _minor(after)
    if old is None or new is None:
        return None
    if new < old:
        return "goes back: newer versions change the database, so only a backup leads back"
    if new[0] == old[0] and new[1] - old[1] > 1 and new >= _STRICT_SINCE:
        return f"skips {old[0]}.{old[1] + 1}: Headscale takes one minor version at a time, and each has to have run"
    return None


def is_another_minor(before: str | None, after: str | None) -> bool:
    """Return whether a change of version may change what Headscale takes."""
    return _minor(before) != _minor(after)


def _minor(version: str | None) -> tuple[int, int] | None:
    found = re.match(r"v?([0-9]+)\.([0-9]+)\b", version or "")
    return (int(found[1]), int(found[2])) if found else None
