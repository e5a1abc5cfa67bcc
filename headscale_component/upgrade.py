"""What another version of Headscale would do with an instance: what breaks, and what changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import yaml

from headscale_component.manifests.config_yaml import config_tree
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.errors import Problem, SpecError, dotted
from headscale_component.spec.notes import notes_on
from headscale_component.spec.upgrade_notes import upgrade_notes
from headscale_core.rollout.upgrade import is_noteworthy, step_problem
from headscale_core.values import validators


def blockers(written: Mapping[str, Any], version: str) -> list[Problem]:
    """Return what blocks an upgrade: a step that Headscale refuses, and keys and policies that it does not take.

    Args:
        written: The instance as it was written, and valid as it is.
        version: The version to go to.
    """
    problem = step_problem(str(written.get("version")), version) if is_exact(version) else None
    found = [Problem(("version",), problem)] if problem else []
    return [*found, *_problems(written, version)]


def is_exact(version: str) -> bool:
    """Return whether a text names one version, as `v0.29.3` does."""
    try:
        validators.version(version)
    except ValueError:
        return False
    return True


def _problems(written: Mapping[str, Any], version: str) -> list[Problem]:
    try:
        HeadscaleArgs.model_validate({**written, "version": version})
    except SpecError as error:
        return list(error.problems)
    return []


def changes(spec: HeadscaleArgs, version: str) -> list[str]:
    """Return how `config.yaml` differs under a version, a line for each key.

    Args:
        spec: The instance as it is.
        version: The version to go to; the instance is valid under it.
    """
    before, after = _flat(config_tree(spec)), _flat(config_tree(spec.model_copy(update={"version": version})))
    lines = [f"- {key}: {value}" for key, value in before.items() if key not in after]
    lines += [f"+ {key}: {value}" for key, value in after.items() if key not in before]
    both = (key for key in before if key in after)
    return lines + [f"~ {key}: {before[key]} -> {after[key]}" for key in both if before[key] != after[key]]


def notes(spec: HeadscaleArgs, version: str) -> list[str]:
    """Return the notes on an upgrade, with those on a version that is not known here.

    Args:
        spec: The instance as it is.
        version: The version to go to.
    """
    after = spec.model_copy(update={"version": version})
    newer = [note for note in notes_on(after, "") if note.name == "version-not-known"]
    found = [one.note for one in upgrade_notes(after) if is_noteworthy(spec.version, version, one.since)]
    return [str(note) for note in (*found, *newer)]


def _flat(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the leaves of a tree by their dotted paths, as YAML writes them."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        here = (*path, key)
        flat |= _flat(value, here) if isinstance(value, Mapping) and value else {dotted(here): _in_yaml(value)}
    return flat


def _in_yaml(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").strip()
