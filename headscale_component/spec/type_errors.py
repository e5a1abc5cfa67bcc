"""What a value of the wrong type should be, in the words of YAML.

Pydantic's own texts speak of Python's types; the list of its errors is
https://docs.pydantic.dev/latest/errors/validation_errors/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headscale_component.spec.model import is_output

TEXT, FLAG, WHOLE, NUMBER = "a text", "`true` or `false`", "a whole number", "a number"
LIST, MAPPING = "a list", "a mapping"
_EXPECTED = {
    "string_type": TEXT,
    "bool_type": FLAG,
    "bool_parsing": FLAG,
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "list_type": LIST,
    "tuple_type": LIST,
    "set_type": LIST,
    "dict_type": MAPPING,
    "mapping_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
}
_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "less than {}"),
}
_FLAGS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
"""Words of YAML 1.1, which are texts to Pulumi (https://github.com/go-yaml/yaml/blob/v3.0.1/README.md#compatibility)."""

_SECRET_KEYS = ("secret", "pass", "password", "api_key", "apikey", "kubeconfig", "token")
_PLACES_OF_SECRETS = ("client_secret", "pass", "kubeconfig", "apiKeySecret", "api_key_secret")
"""Where people paste a secret in place of the name of what holds it."""
_LONGEST_SHOWN = 80
_BARE = re.compile(r"[A-Za-z/][-A-Za-z0-9/_.@+]*(:[-A-Za-z0-9/_.@+]+)*")
"""What a list in one line of YAML holds without quotes."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value that is of another type than its key takes.

    Attributes:
        expected: What the key takes, for example `a text`.
        value: The value.
        rule: What the key's own rule says of the value as a text; empty where it takes that.
        hidden: Whether the value may be a secret.
        names: Whether the key takes a mapping whose keys a person chooses.
    """

    expected: str
    value: object
    rule: str = ""
    hidden: bool = False
    names: bool = False


def mismatch(path: Iterable[object], detail: Mapping[str, Any], declared: object = None) -> Mismatch | None:
    """Return the mismatch that one of Pydantic's errors is about; None where it is about something else.

    Args:
        path: Where the value is.
        detail: The error.
        declared: The type that the model declares there, with its rules; None where it is not known.
    """
    expected, value = _expected(detail), detail["input"]
    if expected is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    rule = _rule_on_text(declared, str(value)) if expected == TEXT and is_number else ""
    return Mismatch(expected, value, rule, may_be_secret(path), names=detail["type"] == "dict_type")


def mismatch_text(mismatches: Iterable[Mismatch]) -> str:
    """Return the message on a value that is of none of the types that its key takes."""
    found = list(mismatches)
    first = found[0]
    if first.rule and not first.hidden:
        return first.rule
    expected = list(dict.fromkeys(one.expected for one in found))
    text = f"must be {_listed(expected)}"
    if first.hidden:
        return text
    if is_output(first.value):
        return f"{text}, not an Output, which only Pulumi knows; write the value itself"
    shown, remedy = _in_yaml(first.value), next(filter(None, map(_remedy, found)), "")
    joint = ", " if remedy.startswith("which") else "; "
    return f"{text}{f', not {shown}' if shown else ''}{f'{joint}{remedy}' if remedy else ''}"


def may_be_secret(path: Iterable[object]) -> bool:
    """Return whether a value at a path may be a secret, and so is never shown."""
    return any(word in str(part).lower() for part in path for word in _SECRET_KEYS)


def without_secret(text: str, path: Iterable[object], value: object) -> str:
    """Return the message of a rule, which quotes the value, without a value that may be a secret in the wrong place."""
    may_be = isinstance(value, str) and value and any(part in _PLACES_OF_SECRETS for part in path)
    return text.replace(f"`{value}`", "the value") if may_be else text


def _expected(detail: Mapping[str, Any]) -> str | None:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(context[name])
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'|(True|False|None)", str(context["expected"]))
        return _listed([f"`{text or _PLAIN[python]}`" for text, python in words])
    return _EXPECTED.get(kind)


_PLAIN = {"True": "true", "False": "false", "None": "null"}


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _in_yaml(value: object) -> str:
    """Return a value as YAML writes it; empty where it is long."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is not None and not isinstance(value, str | int | float | bool):
        return ""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else ""


def _rule_on_text(declared: Any, text: str) -> str:  # noqa: ANN401 - any annotation
    """Return what a key's own rule says of a number as a text: it knows best what to write instead."""
    if declared is None:
        return ""
    try:
        TypeAdapter(declared).validate_python(text)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        return str(detail["msg"]).removeprefix("Value error, ") if detail["type"] == "value_error" else ""
    return ""


def _remedy(one: Mismatch) -> str:
    value = one.value
    match one.expected, value:
        case "a text", bool() | int() | float():
            return f"write it in quotes, `{json.dumps(json.dumps(value))}`"
        case "`true` or `false`", str() if value.lower() in _FLAGS:
            return f"which is a text; write `{_FLAGS[value.lower()]}`"
        case ("`true` or `false`", "true" | "false") | ("a whole number" | "a number", str()):
            return (
                "which is a text; write it without quotes"
                if re.fullmatch(r"true|false|-?\d+(\.\d+)?", str(value))
                else ""
            )
        case "a list", str():
            item = value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
            return f"write `[{item}]`" if len(value) <= _LONGEST_SHOWN else ""
        case "a mapping", list() | tuple() if one.names and value and all(isinstance(item, str) for item in value):
            return f"write `{value[0]}: …` in place of `- {value[0]}`"
    return ""
