"""The signs of YAML as the Go library scans them that Pulumi uses, where Python's differs: tabs, escapes, directives.

Source: https://github.com/go-yaml/yaml/blob/v3.0.1/scannerc.go.
"""

from __future__ import annotations

from typing import Any, ClassVar

from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

_BREAKS = "\r\n\x85\u2028\u2029"
_ENDS = f"\0 \t{_BREAKS}"
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST_CHARACTER = 0xD800, 0xDFFF, 0x10FFFF


class GoScanner(Scanner):
    """Scans tokens as Go does."""

    ESCAPE_REPLACEMENTS: ClassVar = {  # type: ignore[misc] # final in the stubs alone
        **{sign: text for sign, text in Scanner.ESCAPE_REPLACEMENTS.items() if sign != "/"},
        "'": "'",
    }

    # Without types in PyYAML's stubs; what is inherited reads the text.
    peek: Any
    forward: Any
    prefix: Any
    get_mark: Any
    column: int
    indent: int
    flow_level: int
    allow_simple_key: bool

    def scan_to_next_token(self) -> None:
        """Skip tabs too, in brackets and where no key can begin (`yaml_parser_scan_to_next_token`)."""
        while True:
            super().scan_to_next_token()
            if self.peek() != "\t" or (self.allow_simple_key and not self.flow_level):
                return
            self._skip_blanks()

    def scan_plain(self) -> ScalarToken:
        """Return a text without quotes; a `:` in brackets ends one only where a blank follows."""
        start = end = self.get_mark()
        chunks: list[str] = []
        spaces: list[str] | None = []
        while self.peek() != "#" and (length := self._length_of_word()):
            self.allow_simple_key = False
            chunks += [*(spaces or ()), self.prefix(length)]
            self.forward(length)
            end = self.get_mark()
            spaces = self.scan_plain_spaces(self.indent + 1, start)
            if not spaces or (not self.flow_level and self.column <= self.indent):
                break
        return ScalarToken("".join(chunks), plain=True, start_mark=start, end_mark=end)

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str] | None:  # noqa: ANN401 - PyYAML's
        """Return what is between the words of a text without quotes, None at the end of the document."""
        blanks = self._skip_blanks()
        if self.peek() not in _BREAKS:
            return [blanks] if blanks else []
        first = self.scan_line_break()  # type: ignore[no-untyped-call]
        self.allow_simple_key = True
        breaks: list[str] = []
        while not self._at_document_mark():
            if self.peek() == "\t" and self.column < indent:
                raise ScannerError(
                    "while scanning a plain scalar", start_mark, "found character '\\t' in indentation", self.get_mark()
                )
            if self.peek() in " \t":
                self.forward()
            elif self.peek() in _BREAKS:
                breaks.append(self.scan_line_break())  # type: ignore[no-untyped-call]
            else:
                return [*([first] if first != "\n" else [] if breaks else [" "]), *breaks]
        return None

    def scan_block_scalar_ignored_line(self, start_mark: Any) -> Any:  # noqa: ANN401 - PyYAML's
        """Skip tabs behind `|` and `>` too."""
        self._skip_blanks()
        return super().scan_block_scalar_ignored_line(start_mark)

    def scan_block_scalar_indentation(self) -> Any:  # noqa: ANN401 - PyYAML's
        """Refuse a tab that begins the first line behind `|` or `>`, where the indentation is counted."""
        start = self.get_mark()
        found = super().scan_block_scalar_indentation()
        if self.peek() == "\t":
            problem = "found character '\\t' in indentation"
            raise ScannerError("while scanning a block scalar", start, problem, self.get_mark())
        return found

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: Any) -> Any:  # noqa: ANN401 - PyYAML's
        """Refuse escapes of what is no character."""
        mark = self.get_mark()
        try:
            chunks = super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError):
            chunks = ["\ud800"]
        if any(_FIRST_SURROGATE <= ord(letter) <= _LAST_SURROGATE for chunk in chunks for letter in chunk):
            raise ScannerError("while parsing a quoted scalar", start_mark, "found an escape of no character", mark)
        return chunks

    def scan_yaml_directive_value(self, start_mark: Any) -> tuple[int, int]:  # noqa: ANN401 - PyYAML's
        """Refuse versions of YAML other than 1.1."""
        version: tuple[int, int] = super().scan_yaml_directive_value(start_mark)
        if version != (1, 1):
            problem = "Pulumi reads no `%YAML` but 1.1; leave the line out"
            raise ScannerError("while scanning a directive", start_mark, problem, start_mark)
        return version

    def _length_of_word(self) -> int:
        length = 0
        while (sign := self.peek(length)) not in _ENDS:
            if (sign == ":" and self.peek(length + 1) in _ENDS) or (self.flow_level and sign in ",?[]{}"):
                break
            length += 1
        return length

    def _skip_blanks(self) -> str:
        length = 0
        while self.peek(length) in " \t":
            length += 1
        blanks: str = self.prefix(length)
        self.forward(length)
        return blanks

    def _at_document_mark(self) -> bool:
        return self.column == 0 and self.prefix(3) in {"---", "..."} and self.peek(3) in _ENDS
