"""A note on an instance: what is right, and not what people mean."""

from __future__ import annotations

from dataclasses import dataclass

from headscale_component.spec.errors import Path, Problem
from headscale_component.spec.note_names import NoteName


@dataclass(frozen=True, slots=True)
class Note:
    """One note.

    Attributes:
        name: Its name, by which it is silenced.
        path: Where in the instance, for example `("preAuthKeys", "ci")`; empty where it is about the whole.
        text: What somebody may not know, and what to write instead.
    """

    name: NoteName
    path: Path
    text: str

    def __str__(self) -> str:
        """Return `path: text [name]`."""
        return f"{Problem(self.path, self.text) if self.path else self.text} [{self.name}]"
