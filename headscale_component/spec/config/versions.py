"""What each version of Headscale reads, ignores or refuses, as the models' annotations say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from headscale_component.spec.config.root import HeadscaleConfig
from headscale_component.spec.config.types import ConfigSection, Minor, Since, Until
from headscale_component.spec.errors import PathPart, Problem, inner_model

Path = tuple[PathPart, ...]
M = TypeVar("M")

_INVALID = object()
"""Stands for what was written and is invalid."""


def fields(model: type[ConfigSection] = HeadscaleConfig, path: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Yield every key of the configuration with its path, sections before what is in them."""
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        yield here, field
        section = inner_model(field.annotation)
        if section is not None and issubclass(section, ConfigSection):
            yield from fields(section, here)


def marker_of(field: FieldInfo, kind: type[M]) -> M | None:
    """Return the marker of a kind in a field's annotation, None where there is none."""
    return next((marker for marker in field.metadata if isinstance(marker, kind)), None)


def is_read(field: FieldInfo, minor: Minor | None) -> bool:
    """Return whether a version reads a key; one that is not known is taken to read what the newest reads."""
    since, until = marker_of(field, Since), marker_of(field, Until)
    if minor is None:
        return until is None
    return (since is None or minor >= since.minor) and (until is None or minor <= until.minor)


def unread_keys(section: ConfigSection, minor: Minor | None, path: Path = ()) -> Iterator[Problem]:
    """Yield a problem for each key that was written, valid or not, and that the version does not read."""
    if minor is None:
        return
    for name, field in type(section).model_fields.items():
        value = vars(section).get(name, _INVALID)
        if name not in section.model_fields_set or value is None:
            continue
        here = (*path, field.alias or name)
        if not is_read(field, minor):
            yield Problem(here, _why_unread(field, minor))
        if isinstance(value, ConfigSection):
            yield from unread_keys(value, minor, here)


def _why_unread(field: FieldInfo, minor: Minor) -> str:
    since, until = marker_of(field, Since), marker_of(field, Until)
    if until is not None and minor > until.minor:
        return f"{named(minor)} {until.after}; write {until.instead} instead"
    assert since is not None, "a key that is not read is not read for a reason"  # noqa: S101
    return f"is new in {named(since.minor)}, and {named(minor)} ignores it silently; leave it out, or raise `version`"


def without_unread(tree: Mapping[str, Any], minor: Minor | None) -> dict[str, Any]:
    """Return a rendered configuration without the keys, defaults most of them, that the version does not read."""
    unread = {path for path, field in fields() if not is_read(field, minor)}

    def kept(section: Mapping[str, Any], path: Path) -> dict[str, Any]:
        return {
            key: kept(value, (*path, key)) if isinstance(value, Mapping) else value
            for key, value in section.items()
            if (*path, key) not in unread
        }

    return kept(tree, ())


def named(minor: Minor) -> str:
    """Return a minor version as people write it."""
    return f"{minor[0]}.{minor[1]}"
