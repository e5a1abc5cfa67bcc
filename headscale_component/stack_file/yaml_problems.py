"""What is wrong with a text that is no YAML, and what to write instead.

The parser's own texts name its tokens; they are in
https://github.com/yaml/pyyaml/blob/6.0.2/lib/yaml/scanner.py and parser.py beside it.
"""

from __future__ import annotations

_KNOWN = (
    ("'\\t'", "a tab is where no value can begin; indent by spaces"),
    ("mapping values are not allowed", "a `:` is where no key can be; check the indentation, or quote the text"),
    ("could not find expected ':'", "a key has no `:` behind it; write `key: value`"),
    ("expected <block end>", "the indentation fits nothing above; align it with the lines that it belongs to"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing before this"),
    ("unexpected end of stream", "a quote is not closed"),
    ("expected the node content", "a value is missing, or a bracket is not closed"),
    ("undefined alias", "{0}; write its anchor, as `&name`, further up"),
    ("unknown escape character", "{0}; write the sign as it is, or the text in single quotes"),
    ("escape of no character", "{0}; write the sign as it is"),
    ("that cannot start any token", "{0}; quote the text"),
)


def yaml_problem(text: str) -> str:
    """Return what a parser's text means for who writes the file; a text that is not known as it is."""
    return next((meaning.format(text) for part, meaning in _KNOWN if part in text), text)
