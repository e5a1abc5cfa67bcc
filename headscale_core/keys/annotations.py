"""What we note on a Secret about its key, so that a run that was killed at any point can be finished.

A key's text is told once, by the answer to its creation. Whoever is killed before it is written down leaves a key that
nobody holds. So the exact time at which the key will end, with its microseconds, is noted first; Headscale gives it
back unchanged, and the next run knows its own by it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

PREFIX = "headscale-component/"
"""All of our marks begin so; nobody else's do."""

KEY_ID = "headscale-component/key-id"
EXPIRES_AT = "headscale-component/expires-at"
PENDING = "headscale-component/pending-expiration"
SUPERSEDED = "headscale-component/retiring"
OWNER = "headscale-component/declared-as"
DIGEST = "headscale-component/key-sha256"
SPEC = "headscale-component/spec"
TAGS = "headscale-component/tags"
DATA_KEY_NAME = "headscale-component/data-key"
RECREATED_FROM = "headscale-component/remade-from"
FIRST_KEY = "headscale-component/first-key"
EXPIRED_BEFORE_WIPE = "headscale-component/spent"

_MICROSECONDS = 1_000_000


def unique_expiration(now: datetime, lifetime: timedelta) -> datetime:
    """Return when a key ends, to a random microsecond by which it is known again."""
    return (now + lifetime).replace(microsecond=secrets.randbelow(_MICROSECONDS))


def time_in(annotations: Mapping[str, str], mark: str) -> datetime | None:
    """Return the time that a mark notes, None where there is none that can be read."""
    try:
        return datetime.fromisoformat(annotations[mark])
    except (KeyError, ValueError):
        return None


def own_annotations(annotations: Mapping[str, str], *, without: Collection[str] = ()) -> dict[str, str]:
    """Return the marks among a Secret's annotations, without some."""
    return {name: text for name, text in annotations.items() if name.startswith(PREFIX) and name not in without}
