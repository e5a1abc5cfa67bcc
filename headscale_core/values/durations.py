"""Durations as people write them: Go's notation, as Headscale itself reads, and days.

Pure, so that specification, providers and sidecar read the same text the same way.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST = timedelta(days=36525)


def parse_duration(text: str) -> timedelta:
    """Return the time that a text such as `1h30m`, `1.5h` or `90d` stands for.

    Raises:
        ValueError: When it is no duration, or longer than a hundred years; the message says what to write.
    """
    if text.strip().lower() in {"never", "none", "infinite", "inf"}:
        raise ValueError(
            f"`{text}` is not possible in Headscale, every key expires; give a duration, for example `90d`"
        )
    if not _WHOLE.fullmatch(text):
        raise ValueError(
            f"`{text}` is no duration; write a number and a unit (s, m, h, d), for example `1h30m` or `90d`"
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"`{text}` is more than a hundred years; write less, for example `3650d`")
    return timedelta(seconds=seconds)


def is_same_duration(one: str, other: str) -> bool:
    """Return whether two texts stand for one time, as `24h` and `1d` do; what is no duration equals only itself."""
    try:
        return one == other or parse_duration(one) == parse_duration(other)
    except ValueError:
        return False


def format_duration(duration: timedelta) -> str:
    """Return a duration in Go's notation, to the second, for example `1h30m0s`."""
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
