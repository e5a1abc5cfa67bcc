"""What another version of Headscale would do with an instance: what breaks, and what changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscale_component.manifests.config_yaml import config_tree
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.errors import Problem, SpecError, dotted
from headscale_component.spec.policy import policy_document
from headscale_component.spec.policy_upgrade import read_otherwise
from headscale_component.versions import NEWEST_HEADSCALE, HeadscaleVersion, minor_version
from headscale_core.rollout.upgrade import step_problem


def blockers(written: Mapping[str, Any], version: str) -> list[Problem]:
    """Return what blocks an upgrade: a step that Headscale refuses, and keys and policies that it does not take.

    Args:
        written: The instance as it was written, and valid as it is.
        version: The version to go to.
    """
    problem = step_problem(str(written.get("version")), version)
    found = [Problem(("version",), problem)] if problem else []
    return [*found, *_problems(written, version)]


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
    return lines + [
        f"~ {key}: {before[key]} -> {after[key]}" for key in before.keys() & after if before[key] != after[key]
    ]


def notes(spec: HeadscaleArgs, version: str) -> list[str]:
    """Return notes from Headscale's changelog for every version between two, and on what it reads otherwise.

    Source: https://github.com/juanfont/headscale/blob/main/CHANGELOG.md.
    """
    before, after = minor_version(spec.version), minor_version(version)
    if not before or not after:
        return []
    notes = [text for minor, text in _NOTES if before < minor <= after]
    if spec.policy is not None:
        document = policy_document(spec.policy)
        notes += [str(problem.under("policy")) for problem in read_otherwise(document, before, after)]
    if "@" in spec.image:
        notes.append(
            f"`image` is pinned by a digest, so that `version` does not change the program: write the digest of "
            f"{version} together with it"
        )
    if after > NEWEST_HEADSCALE:
        notes.append(
            f"{after[0]}.{after[1]} is newer than what is known here; it is taken to read what "
            f"{NEWEST_HEADSCALE[0]}.{NEWEST_HEADSCALE[1]} reads"
        )
    return notes


_V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in (27, 28, 29))
_NOTES = (
    (_V0_27, "0.27 rewrites the SQLite schema at its first start; back the volume up. Clients: 1.64 and newer"),
    (_V0_28, "0.28 tells tags and users apart, and stores keys as hashes. Clients: 1.74 and newer"),
    (_V0_29, "0.29 refuses to go back to 0.28 or to skip a version; back the volume up. Clients: 1.80 and newer"),
    (
        _V0_29,
        "0.29 believes `X-Forwarded-For` and its like only from `config.trusted_proxies`; name your proxies there",
    ),
)


def _flat(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        here = (*path, key)
        flat |= _flat(value, here) if isinstance(value, Mapping) and value else {dotted(here): value}
    return flat
