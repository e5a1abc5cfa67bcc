"""HuJSON, in which Headscale keeps policies: JSON with comments and commas after the last item."""

from __future__ import annotations

import json
import re
from typing import Any

_TEXT = r'("(?:\\.|[^"\\\n])*")'
_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])")


def parse(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what a text says.

    Raises:
        ValueError: When it is no HuJSON, with line and column.
    """

    def plain(token: re.Match[str]) -> str:
        # What goes leaves its room, so that an error names the line as it was written.
        return token[1] or re.sub(r"[^\n]", " ", token[0])

    try:
        return json.loads(_LAST_COMMA.sub(plain, _COMMENT.sub(plain, text)), object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no HuJSON: {error.msg}, line {error.lineno} column {error.colno}") from None


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; Headscale takes none that says something twice."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has `{twice}` twice in one object; keep one of them")
    return found
