"""The sections and rules of a policy as a document, in Headscale's own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscale_component.spec.errors import PathPart
from headscale_core.values.versions import HeadscaleVersion

Document = dict[str, Any]
Path = tuple[PathPart, ...]
Version = HeadscaleVersion | tuple[int, int]
Rule = Mapping[str, Any]

NEWER_SECTIONS = ("grants", "nodeAttrs", "tests", "sshTests", "randomizeClientPort")
"""What 0.29 brought: https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L2083."""
NEWER_KEYS = {"ssh": "acceptEnv"}
"""What 0.29 brought to a section: https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L2975."""


def section_at(document: Document, path: Path) -> Mapping[str, Any]:
    """Return a section of names, empty where there is none."""
    section: Mapping[str, Any] = document
    for part in path:
        section = section.get(str(part)) or {}
    return section


def items_of(value: list[Any] | None) -> list[Any]:
    """Return the items of a list, none where there is none."""
    return value or []


def rules_in(document: Document, section: str) -> list[Rule]:
    """Return the rules of a section."""
    return items_of(document.get(section))
