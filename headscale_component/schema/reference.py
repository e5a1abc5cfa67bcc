"""The reference page, made of the models."""

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
from headscale_component.spec.model import ENCRYPTED_SCHEMA


def reference_page() -> str:
    """Return the reference of every key: type, default, versions, meaning."""
    how = (
        "Generated from the models by `make schema`; do not edit. What stands under `config` is Headscale's own "
        "configuration, with Headscale's own names; *Headscale itself* is Headscale's own default, where it differs "
        "from ours. Types are those of JSON Schema; a `secret` is set by `pulumi config set --secret --path`. Values "
        "under `config` that decide about no object may be Outputs in Python.\n"
    )
    parts = [
        "# Every key of a stack file\n",
        how,
        _section("headscale:instances.<name>", HeadscaleArgs),
        "## Removed keys\n",
        *(f"- `config.{'.'.join(path)}`: {hint}." for path, hint in RETIRED.items()),
    ]
    return "\n".join(parts) + "\n"


def _section(path: str, model: type[BaseModel]) -> str:
    rows, sections = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = inner_model(field.annotation)
        is_map = "dict" in str(field.annotation).lower().split("[")[0]
        below = f"{path}.{key}.<name>" if is_map else f"{path}.{key}"
        rows.append(_row(key, field, below if inner is not None else None))
        if inner is not None and inner is not model:
            sections.append(_section(below, inner))
    text = " ".join((model.__doc__ or "").split("Raises:")[0].split())
    head = f"## `{path}`\n\n{text}\n\n| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n\n" + "\n".join(sections)


def _row(key: str, field: FieldInfo, section: str | None) -> str:
    notes = [" ".join((field.description or "").split())]
    since, until, upstream = marker_of(field, Since), marker_of(field, Until), marker_of(field, UpstreamDefault)
    if since:
        notes.append(f"**From {named(since.minor)} on.**")
    if until:
        notes.append(f"**Until {named(until.minor)}**; later ones: write {until.instead}.")
    if upstream:
        notes.append(f"*Headscale itself:* {upstream.default}.")
    return f"| `{key}` | {_type(field, section)} | {_default(field)} | {' '.join(notes)} |".replace("\n", " ")


def _type(field: FieldInfo, section: str | None) -> str:
    text = _type_of(_schema_of(field)).replace("|", "\\|")
    return text.replace("object", f"[object](#{_anchor(section)})") if section else text


def _anchor(heading: str) -> str:
    """Return how GitHub refers to a heading: in lower case, without punctuation."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_")


def _schema_of(field: FieldInfo) -> dict[str, Any]:
    for marker in field.metadata:
        if isinstance(marker, WithJsonSchema) and marker.json_schema:
            return dict(marker.json_schema)
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
    return adapter.json_schema(by_alias=True)


def _type_of(schema: dict[str, Any]) -> str:
    """Return a type in the words of JSON Schema, with `list of`, `map of`, and `secret` for what may be encrypted."""
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        return " or ".join(_type_of(choice) for choice in choices if not choice.get("deprecated"))
    if schema == ENCRYPTED_SCHEMA:
        return "secret"
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type_of(schema['additionalProperties'])}"
    return str(schema.get("type", "object" if "$ref" in schema else "any"))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "empty"
    if field.default is None:
        return ""
    if isinstance(field.default, BaseModel):
        return "its defaults"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value)}`"
