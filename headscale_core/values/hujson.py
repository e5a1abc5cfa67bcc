"""HuJSON, in which Headscale keeps policies: JSON with comments and commas after the last item, and nothing else.

What its parser refuses is refused here: https://github.com/tailscale/hujson/blob/main/parse.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BYTE_ORDER_MARK = "\ufeff"
_TEXT = r'("(?:\\.|[^"\\\n])*")'
_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*\n|/\*.*?\*/", re.DOTALL)
_UNFINISHED_COMMENT = re.compile(rf"{_TEXT}|(//)")
_LAST_COMMA = re.compile(rf"{_TEXT}|([{{\[]\s*,)|,(?=\s*[}}\]])")
"""A comma before an end goes, one behind a beginning stays: `[,]` holds nothing that it could stand after."""


def parse(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what a text says.

    Raises:
        ValueError: When it is no HuJSON, with line and column.
    """
    if text.startswith(_BYTE_ORDER_MARK):
        raise ValueError("begins with a byte order mark, which Headscale does not read; save it as UTF-8 without one")

    def plain(token: re.Match[str]) -> str:
        # What goes leaves its room, so that an error names the line as it was written.
        return next(filter(None, token.groups()), "") or re.sub(r"[^\n]", " ", token[0])

    without_comments = _COMMENT.sub(plain, text)
    if any(token[2] for token in _UNFINISHED_COMMENT.finditer(without_comments)):
        raise ValueError("ends in a comment without a line's end behind it; add one")
    try:
        document = json.loads(
            _LAST_COMMA.sub(plain, without_comments),
            object_pairs_hook=_reject_duplicates,
            parse_constant=_reject_constant,
        )
        _reject_surrogates(document)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no HuJSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    return document


def _reject_constant(text: str) -> None:
    raise ValueError(f"is no HuJSON: `{text}` is no number in JSON")


def _reject_surrogates(document: object) -> None:
    r"""Refuse half of a character, as `\ud800`: no text in UTF-8 holds it."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("is no HuJSON: it has a lone surrogate, as `\\ud800`; write the character itself") from None


def _reject_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; Headscale rejects one with a duplicate name."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has `{twice}` twice in one object; keep one of them")
    return found
