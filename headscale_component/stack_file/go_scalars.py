"""Scalars of YAML as the Go library reads them that Pulumi uses, which is neither YAML 1.1 nor 1.2.

Source: https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import math
import re
import time
from dataclasses import dataclass
from decimal import Decimal

_LONG = "tag:yaml.org,2002:"
INT, FLOAT, BOOL, NULL, TIMESTAMP, BINARY = (
    f"{_LONG}{name}" for name in ("int", "float", "bool", "null", "timestamp", "binary")
)

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_DOTTED = re.compile(r"\.[0-9]+(?:[eE][-+]?[0-9]+)?\Z")
_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:(?P<between>[Tt ])(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2})"
    r"(?:[.,](?P<fraction>[0-9]+))?(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})?)?\Z"
)
_MAX_INT, _MAX_UINT = 2**63 - 1, 2**64 - 1
_WHOLE_BELOW, _EXPONENT_FROM, _EXPONENT_BELOW = 1e21, 6, -4


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time, which Pulumi hands over as a text.

    Attributes:
        text: As Go's `time.Time.String()` writes it.
    """

    text: str


Scalar = str | int | float | bool | Timestamp | None


class ScalarError(ValueError):
    """A scalar that is not what its tag says."""


def resolve(text: str, tag: str, *, is_plain: bool) -> Scalar:
    """Return the value of a scalar.

    Args:
        text: Its text, without quotes.
        tag: Its explicit tag in the long form, empty where it has none.
        is_plain: Whether it is written without quotes, and not as a block.

    Raises:
        ScalarError: When the text is nothing that its tag allows.
    """
    if tag == BINARY:
        try:
            return base64.b64decode("".join(text.split("\n")), validate=True).decode(errors="replace")
        except binascii.Error:
            raise ScalarError("is no base64, as `!!binary` says") from None
    if not tag and is_plain:
        return _plain(text, may_be_time=True)
    if tag not in {INT, FLOAT, BOOL, NULL, TIMESTAMP}:
        return text
    value = _plain(text, may_be_time=tag == TIMESTAMP)
    fits = {
        INT: isinstance(value, int) and not isinstance(value, bool),
        FLOAT: isinstance(value, int | float) and not isinstance(value, bool),
        BOOL: isinstance(value, bool),
        NULL: value is None,
        TIMESTAMP: isinstance(value, Timestamp),
    }
    if not fits[tag]:
        raise ScalarError(f"`{text}` is not what its tag `!!{tag.removeprefix(_LONG)}` says")
    return value


def _plain(text: str, *, may_be_time: bool) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _float(text) if _DOTTED.match(text) else text
    if text[0] not in "+-0123456789":
        return text
    found = _timestamp(text) if may_be_time else None
    return found or _number(text.replace("_", ""), text)


def _number(digits: str, text: str) -> int | float | str:
    if _INTEGER.match(digits):
        value = _integer(digits)
        if -_MAX_INT - 1 <= value <= _MAX_INT or (digits[0] not in "+-" and value <= _MAX_UINT):
            return value
    if not _FLOAT.match(digits):
        return text
    number = _float(digits)
    return text if isinstance(number, str) else number


def _integer(digits: str) -> int:
    """Return an integer; one that begins with 0 is octal, as in YAML 1.1 and C."""
    bare = digits.lstrip("+-")
    is_old_octal = len(bare) > 1 and bare[0] == "0" and bare[1].isdigit()
    value = int(bare, 8) if is_old_octal else int(bare, 0)
    return -value if digits[0] == "-" else value


def _float(text: str) -> float | str:
    """Return a number, or the text of one that is too large."""
    value = float(text)
    return text if math.isinf(value) else value


def _timestamp(text: str) -> Timestamp | None:
    """Return a date, or a date with a time: with `T` and a zone, or with a space and no zone."""
    match = _TIME.match(text)
    if match is None or (match["between"] in {"T", "t"}) != (match["zone"] is not None):
        return None
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    is_date = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]  # noqa: PLR2004 - of a calendar
    if not is_date or hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - of a clock
        return None
    fraction = (match["fraction"] or "")[:9].rstrip("0")
    moment = (year, month, day, hour, minute, second)
    text = f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{'.' if fraction else ''}{fraction}"
    return Timestamp(f"{text} {_zone(match['zone'] or 'Z', moment)}")


def _zone(zone: str, moment: tuple[int, ...]) -> str:
    """Return a zone as Go prints it, by name where it is the machine's own."""
    if zone in {"Z", "+00:00", "-00:00"}:
        return "+0000 UTC"
    offset = zone.replace(":", "")
    seconds = (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[0] == "-" else 60)
    try:
        local = time.localtime(calendar.timegm((*moment, 0, 0, 0)) - seconds)
    except (OverflowError, OSError, ValueError):
        return f"{offset} {offset}"
    return f"{offset} {local.tm_zone if local.tm_gmtoff == seconds else offset}"


def in_json(value: Scalar) -> str | int | float | bool | None:
    """Return what a program is given for a value, after the engine wrote it as JSON and read it again.

    Raises:
        ScalarError: When JSON has no such number.
    """
    if isinstance(value, Timestamp):
        return value.text
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int) and value <= _MAX_INT:
        return value
    number = float(value)
    if not math.isfinite(number):
        raise ScalarError("is a number that JSON does not have; write a text in quotes, or another number")
    is_whole = number.is_integer() and abs(number) < _WHOLE_BELOW
    return int(Decimal(repr(number))) if is_whole else number


def in_key(value: Scalar) -> str:
    """Return the text of a key, whatever it was: all keys in JSON are texts."""
    if value is None:
        return "<nil>"
    if isinstance(value, Timestamp):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    return _shortest(value or 0.0) if isinstance(value, float) else str(value)  # -0.0 is 0, as the engine writes it


def _shortest(number: float) -> str:
    """Return a number as Go's `%g` does (https://pkg.go.dev/strconv#FormatFloat)."""
    if not math.isfinite(number):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(number)]
    sign, parts, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, parts))
    power = len(digits) - 1 + int(exponent)
    if number and not _EXPONENT_BELOW <= power < _EXPONENT_FROM:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{'-' * sign}{digits[0]}{rest}e{power:+03}"
    return f"{number:f}".rstrip("0").rstrip(".") if number.is_integer() else repr(number)
