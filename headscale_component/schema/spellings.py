"""Keys in both spellings: camelCase, which is documented, and the snake_case of the operator and of Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_both_spellings(schema: dict[str, Any], spellings: Mapping[str, str]) -> None:
    """Let the schema of an object take each key in either spelling, and not in both at once.

    Args:
        schema: The schema, which is changed; its properties are those that are documented.
        spellings: The other spelling of each key; where it is the same, there is one.
    """
    written = schema.pop("required", ())
    required = [key for key in written if spellings[key] == key]
    rules: list[dict[str, Any]] = [
        {"anyOf": [{"required": [key]}, {"required": [spellings[key]]}]} for key in written if spellings[key] != key
    ]
    for key, other in spellings.items():
        if other == key:
            continue
        documented = schema["properties"][key]
        schema["properties"][other] = {
            **{word: value for word, value in documented.items() if word not in {"default", "examples"}},
            "description": f"`{key}` in its other spelling.",
            "deprecated": True,
        }
        rules.append({"not": {"required": [key, other]}})
    if required:
        schema["required"] = required
    if rules:
        schema["allOf"] = rules
