"""Documents drawn from the JSON Schema of stack files: what it takes, and the same with one value changed."""

from __future__ import annotations

import copy
import functools
from typing import Any

from hypothesis import strategies as st

from headscale_component.spec.config.types import DATA_DIRECTORY

NONSENSE = st.sampled_from(
    [
        *(None, True, False, -1, 0, 1, 2, 65536, 2**63, 0.5, [], {}, "", " ", "a", "A b", "ä", "a\n", "-a", "a.", "1"),
        *("true", "off", "1h", "1d", "0", "1us", "90", "never", "tag:a", "tag:1", "v0.28.0", "latest", "http://a.b"),
        *("https://", "0.0.0.0:0", "a:http", "1.2.3.4", "::1", "fd7a::/48", "10.0.0.0/8", "0.0.0.0/0", "/x/y", "//x"),
        *("a@b.c", "a@", "x:y@sha256:0", "Ab/c", "1Gi", "0Gi", "1m", "..", "expiration", "a" * 64, "a" * 300),
        *({"secure": "v1:a"}, {"secretKeyRef": {"name": "a", "key": "b"}}, ["a"], [None], {"a": None}, {"": "a"}),
    ]
)
"""Values that are right in some place and wrong in others."""

_FEW = 3
_START = {"version": "v0.29.1", "config": {"server_url": "https://vpn.example.com"}}


class Grammar:
    """The schema as a generator.

    Args:
        schema: The JSON Schema of a stack file.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._definitions = schema["$defs"]

    @functools.cached_property
    def instances(self) -> st.SearchStrategy[dict[str, Any]]:
        """Instances that the schema takes: always with what is required, and a few of the other keys."""
        return st.composite(lambda draw: {**_START, **self._object(draw, self._definitions["HeadscaleArgs"], 0)})()

    def _value(self, draw: Any, schema: dict[str, Any], depth: int) -> Any:
        if "$ref" in schema:
            return self._value(draw, self._definitions[schema["$ref"].rpartition("/")[2]], depth)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._value(draw, draw(st.sampled_from(schema[word])), depth)
        if "const" in schema or "enum" in schema:
            return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
        kind = schema.get("type", "any")
        kind = draw(st.sampled_from(kind)) if isinstance(kind, list) else kind
        if kind == "object" or "properties" in schema:
            return self._object(draw, schema, depth + 1)
        if kind == "array":
            items = [self._value(draw, schema["items"], depth + 1) for _ in range(draw(st.integers(0, 2)))]
            return [*items, schema["contains"]["const"]] if "contains" in schema else items
        return draw(self._scalar(kind, schema))

    def _scalar(self, kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if kind == "string":
            return text(schema.get("pattern"), schema.get("maxLength"))
        if kind == "integer":
            least, most = schema.get("minimum", -5), schema.get("maximum", 70000)
            return st.integers(least, min(most, 70000))
        if kind == "number":
            return st.floats(schema.get("minimum", -5), 1000).filter(lambda number: not number.is_integer())
        return {"boolean": st.booleans(), "null": st.none()}.get(kind, NONSENSE)

    def _object(self, draw: Any, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        groups = [[rule["required"][0] for rule in one["anyOf"]] for one in schema.get("allOf", ()) if "anyOf" in one]
        keys = [*schema.get("required", ()), *(draw(st.sampled_from(group)) for group in groups)]
        excluded = [set(rule["not"]["required"]) for rule in schema.get("allOf", ()) if "not" in rule]
        if known and depth <= _FEW + 1:
            for key in draw(st.lists(st.sampled_from(sorted(known)), max_size=_FEW)):
                if not any(key in pair and pair & set(keys) for pair in excluded):
                    keys.append(key)
        found = {key: self._value(draw, known[key], depth + 1) for key in keys}
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            names = schema.get("propertyNames", {})
            for name in draw(st.lists(text(names.get("pattern"), names.get("maxLength")), max_size=2)):
                found[name] = self._value(draw, inner, depth + 1)
        return found


@functools.cache
def text(pattern: str | None, longest: int | None) -> st.SearchStrategy[str]:
    """Return texts of a pattern."""
    found = st.from_regex(pattern.replace("$", r"\Z")) if pattern else st.text(max_size=8) | st.just(DATA_DIRECTORY)
    return found.filter(lambda value: longest is None or len(value) <= longest)


@st.composite
def changed(draw: Any, documents: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Return a document with one value replaced, left out, or under another key."""
    document = copy.deepcopy(draw(documents))
    place: Any = document
    while True:
        keys = sorted(place, key=str) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    match draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename"])):
        case "replace":
            place[key] = draw(NONSENSE)
        case "remove":
            del place[key]
        case "rename" if isinstance(place, dict):
            place[f"{key}x"] = place.pop(key)
    return document
