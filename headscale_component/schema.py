"""The JSON Schema of stack files, and the reference page, both made of the models."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config.rules import RETIRED
from headscale_component.spec.config.types import Since, Until, UpstreamDefault
from headscale_component.spec.config.versions import marker_of, named
from headscale_component.spec.errors import inner_model
from headscale_component.spec.instances import ROOT

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def stack_schema() -> str:
    """Return the JSON Schema of a stack file, by which editors complete and check it."""
    instance = HeadscaleArgs.model_json_schema(by_alias=True)
    definitions = instance.pop("$defs")
    whole = {
        "$schema": DIALECT,
        "title": "Stack file of Headscale on Kubernetes",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {
                    ROOT: {
                        "description": "The instances, by name.",
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"pattern": "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"},
                        "additionalProperties": {"$ref": "#/$defs/HeadscaleArgs"},
                    }
                },
            }
        },
        "$defs": {**definitions, "HeadscaleArgs": instance},
    }
    return json.dumps(_tidy(whole), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Drop the titles that only repeat a key, and the line breaks of docstrings."""
    if isinstance(value, list):
        return [_tidy(its) for its in value]
    if not isinstance(value, dict):
        return value
    title_of_a_key = isinstance(value.get("title"), str) and "$schema" not in value
    return {
        key: " ".join(its.split()) if key == "description" and isinstance(its, str) else _tidy(its)
        for key, its in value.items()
        if not (key == "title" and title_of_a_key)
    }


def reference_page() -> str:
    """Return the reference of every key: type, default, versions, meaning."""
    how = (
        "Made of the models by `make schema`; do not edit. What stands under `config` is Headscale's own "
        "configuration, with Headscale's own names; *Headscale itself* says what it does where a key is absent, "
        "when our default is another.\n"
    )
    parts = [
        "# Every key of a stack file\n",
        how,
        _section("headscale:instances.<name>", HeadscaleArgs),
        "## Keys that are gone\n",
        *(f"- `config.{'.'.join(path)}`: {hint}." for path, hint in RETIRED.items()),
    ]
    return "\n".join(parts) + "\n"


def _section(path: str, model: type[BaseModel]) -> str:
    rows, below = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        rows.append(_row(key, field))
        inner = inner_model(field.annotation)
        if inner is not None and inner is not model:
            is_map = "dict" in str(field.annotation).lower().split("[")[0]
            below.append(_section(f"{path}.{key}.<name>" if is_map else f"{path}.{key}", inner))
    text = " ".join((model.__doc__ or "").split("Raises:")[0].split())
    head = f"## `{path}`\n\n{text}\n\n| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n\n" + "\n".join(below)


def _row(key: str, field: FieldInfo) -> str:
    notes = [" ".join((field.description or "").split())]
    since, until, otherwise = marker_of(field, Since), marker_of(field, Until), marker_of(field, UpstreamDefault)
    if since:
        notes.append(f"**From {named(since.minor)} on.**")
    if until:
        notes.append(f"**Until {named(until.minor)}**; later ones: write {until.instead}.")
    if otherwise:
        notes.append(f"*Headscale itself:* {otherwise.default}.")
    return f"| `{key}` | {_type(field)} | {_default(field)} | {' '.join(notes)} |".replace("\n", " ")


def _type(field: FieldInfo) -> str:
    schema = _schema_of(field)
    return _type_of(schema).replace("|", "\\|")


def _schema_of(field: FieldInfo) -> dict[str, Any]:
    for mark in field.metadata:
        if isinstance(mark, WithJsonSchema) and mark.json_schema:
            return dict(mark.json_schema)
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
    return adapter.json_schema(by_alias=True)


_WORDS = {"string": "text", "integer": "number", "boolean": "flag", "null": "null"}


def _type_of(schema: dict[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(_type_of(its) for its in schema["anyOf"] if its.get("type") != "null")
    kind = str(schema.get("type", "section" if "$ref" in schema else "any"))
    if kind == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if kind == "object":
        return "section" if "properties" in schema else "mapping"
    return _WORDS.get(kind, kind)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "empty"
    if field.default is None:
        return ""
    if isinstance(field.default, BaseModel):
        return "see below"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value)}`"
