"""Text from a file as it is shown in a terminal."""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""Return a text as one line: control characters as `\n`, `\x1b` and the like.

    Otherwise a value could end a line, colour the terminal, or pass for another message.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
