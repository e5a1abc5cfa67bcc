"""Durations as people write them: Go's notation, as Headscale itself reads it, and days where we read them ourselves.

Text is read at the edges (stack files, Pulumi's properties, annotations, the sidecar's environment); inside, a
duration is a `timedelta`. The grammar is that of `time.ParseDuration` (https://pkg.go.dev/time#ParseDuration) without
signs: a bare `0`, or numbers with an optional fraction (`1.5h`, `.5h`, `1.h`) and a unit.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d)")
_DURATION = re.compile(rf"0|(?:{_PART.pattern})+")
_LONGEST_SECONDS = timedelta(days=36525).total_seconds()
_LONGEST_GO_SECONDS = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits, 292 years (https://pkg.go.dev/time#Duration)."""


def parse_duration(text: str, *, allow_days: bool = True) -> timedelta:
    """Return the time that a text such as `1h30m`, `1.5h` or `90d` stands for, rounded to the microsecond.

    Args:
        text: The duration.
        allow_days: Whether the unit `d` is read, of 24 hours. Headscale reads its own configuration without it.

    Raises:
        ValueError: When it is no duration, or longer than a hundred years; the message says what to write.
    """
    return timedelta(seconds=duration_seconds(text, allow_days=allow_days))


def duration_seconds(text: str, *, allow_days: bool = True) -> float:
    """Return the seconds that a text stands for, less than a microsecond too.

    Args:
        text: The duration.
        allow_days: Whether the unit `d` is read; without it the text is for Headscale, which reads Go's notation alone.

    Raises:
        ValueError: When it is no duration, or too long; the message says what to write.
    """
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    has_days = any(unit == "d" for _, unit in _PART.findall(text))
    if not _DURATION.fullmatch(text) or (has_days and not allow_days):
        raise ValueError(_duration_error(text) if allow_days else _go_duration_error(text))
    if allow_days and seconds > _LONGEST_SECONDS:
        raise ValueError(f"`{text}` is more than a hundred years; write less, for example `3650d`")
    if seconds >= _LONGEST_GO_SECONDS:
        raise ValueError(f"`{text}` is more than 292 years, the most that Go reads; write less, for example `87600h`")
    return seconds


def _duration_error(text: str) -> str:
    if text.strip().lower() in {"never", "none", "infinite", "inf"}:
        return f"`{text}` is not possible in Headscale, every key expires; give a duration, for example `90d`"
    return f"`{text}` is no duration; write a number and a unit (s, m, h, d), for example `1h30m` or `90d`"


def _go_duration_error(text: str) -> str:
    days = re.fullmatch(r"([0-9]+)d", text)
    write = f"`{int(days[1]) * 24}h`" if days else "for example `30m`, `90s` or `1h30m`"
    return f"`{text}` is no duration of Go's, which has the units ms, s, m and h; write {write}"


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


def shortest_duration(duration: timedelta) -> str:
    """Return a duration of zero or more as a person writes it, without units that are zero: `24h`, `1h30m`, `1.5s`.

    Nothing is lost: `parse_duration` reads the same time to the microsecond.
    """
    minutes, rest = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest.seconds}.{rest.microseconds:06}".rstrip("0").rstrip(".") if rest else "0"
    parts = ((str(hours), "h"), (str(minutes), "m"), (seconds, "s"))
    return "".join(number + unit for number, unit in parts if number != "0") or "0s"
