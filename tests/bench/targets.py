"""What each figure of the bench may be at most, and which ones miss it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TARGETS = {
    "add_one_up_s": 4.5,
    "noop_preview_s": 4.0,
    "destroy_s": 9.0,
    "sidecar_rss_mb": 40.0,
    "render_fifty_s": 1.0,
    "import_spec_s": 0.3,
    "validate_fifty_s": 1.0,
    "check_large_s": 1.0,
    "growth": 1.33,
}
"""What a figure may be at most: seconds, megabytes, or a ratio, according to its name."""

TIMES_THE_FLOOR = {"bulk_up_s": ("bulk_floor_s", 1.6), "many_up_s": ("many_floor_s", 3.0)}
"""How many times another figure of the same run a figure may be."""


def limit(name: str, results: Mapping[str, Any]) -> float | None:
    """Return what a figure may be at most, None where it has no target."""
    if name in TIMES_THE_FLOOR:
        floor, times = TIMES_THE_FLOOR[name]
        return results[floor] * times
    return TARGETS.get(name)


def missed(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the figures that are above their targets, in the order of the table."""
    limits = {name: limit(name, results) for name in results}
    return [name for name, most in limits.items() if most is not None and results[name] > most]


def table(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table: each figure, its target, and `missed` where it is above it."""
    late = missed(results)
    yield f"{'figure':<22}{'measured':>10}{'at most':>10}"
    for name, value in results.items():
        if not isinstance(value, float):
            yield f"{name}: {', '.join(value) or 'none' if isinstance(value, list) else value}"
            continue
        most = limit(name, results)
        row = f"{name:<22}{value:>10.2f}{'' if most is None else f'{most:.2f}':>10}"
        yield f"{row}  missed" if name in late else row
