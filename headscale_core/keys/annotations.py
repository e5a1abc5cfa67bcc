"""The annotations of a key's Secret, by which an interrupted run can be finished, and the shape of each.

Headscale returns a key's text once, in the answer to its creation. A run that dies before it stores the text leaves a
lost key. So the exact expiration of the key, with its microseconds, is written first, as `PENDING`. Headscale
gives it back unchanged in its lists, and the next run finds the key by it
(https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/types/preauth_key.go).

Times are ISO 8601 with microseconds and offset, as `datetime.isoformat` writes them in UTC:
`2026-01-31T12:00:00.123456+00:00`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headscale_core.defaults import PREFIX
from headscale_core.values.durations import parse_duration, shortest_duration

KEY_ID = "headscale-component/key-id"
"""What names the key in Headscale's lists: the id of a preauth key, the prefix of an API key."""

EXPIRES_AT = "headscale-component/expires-at"
"""When the key expires, a time."""

PENDING = "headscale-component/pending-expiration"
"""The expiration of a key that is being created, a time; absent where no run is under way or was interrupted."""

SUPERSEDED = "headscale-component/retiring"
"""API keys that were replaced and are not revoked yet: `prefix@time`, separated by commas and sorted by prefix; the
time is when the key is to be revoked. Absent for none. See `parse_superseded`."""

OWNER = "headscale-component/declared-as"
"""The name of the resource in Pulumi that the key belongs to; absent for the sidecar's key."""

DIGEST = "headscale-component/key-sha256"
"""SHA-256 of an API key's text, 64 hexadecimal digits, by which an edit of the Secret is noticed."""

SPEC = "headscale-component/spec"
"""What a preauth key was created with, JSON; see `PreAuthKeySpec`."""

TAGS = "headscale-component/tags"
"""The tags of a preauth key, separated by commas, empty for none. For people; `SPEC` is what is read back."""

DATA_KEY_NAME = "headscale-component/data-key"
"""Under which name the preauth key is in its Secret; absent for `key`."""

RECREATED_FROM = "headscale-component/remade-from"
"""Ids of the preauth keys that this one replaces, separated by commas; the state may still have them."""

FIRST_KEY = "headscale-component/first-key"
"""The prefix of the first API key of a resource, which distinguishes it from another resource of the same name."""

EXPIRED_BEFORE_WIPE = "headscale-component/spent"
"""`true` where a preauth key was invalid already when Headscale 0.28 deleted it, so that it is not recreated."""

_MICROSECONDS = 1_000_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PreAuthKeySpec:
    """What makes a preauth key another key when it changes.

    The annotation is a JSON array of five, `[user id, expiration, reusable, ephemeral, tags]`, for example
    `["5", "24h", true, false, ["tag:ci"]]`. The user id is text, or null for a key with tags alone; tags are sorted.
    The expiration is a duration in any notation of `parse_duration`: earlier versions kept the text of the stack file.

    Attributes:
        user_id: Id of the owner, None for a key with tags alone.
        expiration: How long the key can be used.
        reusable: Whether more than one node may join with it.
        ephemeral: Whether its nodes are removed when they are away.
        tags: Tags for its nodes, sorted.
    """

    user_id: str | None
    expiration: timedelta
    reusable: bool
    ephemeral: bool
    tags: tuple[str, ...]

    def __str__(self) -> str:
        expiration = shortest_duration(self.expiration)
        return json.dumps([self.user_id, expiration, self.reusable, self.ephemeral, self.tags])

    @classmethod
    def parse(cls, text: str | None) -> PreAuthKeySpec | None:
        """Return the value of an annotation, None where there is none or it was edited."""
        try:
            user_id, expiration, reusable, ephemeral, tags = json.loads(text or "")
            return cls(user_id, parse_duration(expiration), reusable, ephemeral, tuple(tags))
        except (TypeError, ValueError):
            return None


def format_superseded(superseded: Mapping[str, datetime]) -> str:
    """Return the text of `SUPERSEDED`: each prefix with the time when that key is to be revoked."""
    return ",".join(f"{prefix}@{time.isoformat()}" for prefix, time in sorted(superseded.items()))


def parse_superseded(annotations: Mapping[str, str]) -> dict[str, datetime]:
    """Return the prefixes in `SUPERSEDED`, each with its time; one whose time cannot be read is due."""
    entries = (entry.partition("@") for entry in annotations.get(SUPERSEDED, "").split(",") if entry)
    return {prefix: parse_time(time) or _LONG_AGO for prefix, _, time in entries}


def unique_expiration(now: datetime, lifetime: timedelta) -> datetime:
    """Return when a key expires, to a random microsecond by which it is found again."""
    return (now + lifetime).replace(microsecond=secrets.randbelow(_MICROSECONDS))


def parse_time(text: str | None) -> datetime | None:
    """Return the time of a text, None where there is none that can be read."""
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return None


def time_in(annotations: Mapping[str, str], name: str) -> datetime | None:
    """Return the time in an annotation, None where there is none that can be read."""
    return parse_time(annotations.get(name))


def own_annotations(annotations: Mapping[str, str], *, without: Collection[str] = ()) -> dict[str, str]:
    """Return our annotations among those of a Secret, without some."""
    return {name: text for name, text in annotations.items() if name.startswith(PREFIX) and name not in without}
