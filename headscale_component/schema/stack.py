"""The JSON Schema of a stack file, by which editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from headscale_component.schema.spellings import with_both_spellings
from headscale_component.schema.values import DNS_LABEL, OF_FIELDS, by_validators, pattern
from headscale_component.spec import HeadscaleArgs, kubernetes_values
from headscale_component.spec.instance_name import LONGEST_NAME
from headscale_component.spec.instances import ROOT
from headscale_component.spec.model import ENCRYPTED_SCHEMA, SpecModel
from headscale_component.spec.pod_types import KIND_KEY, QUANTITY, snake, types

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_NO_SECRET = {"not": ENCRYPTED_SCHEMA}
"""A map of a person's own names is no encrypted value."""

_QUANTITY_SCHEMA: Schema = {"anyOf": [pattern(kubernetes_values.QUANTITY), {"type": "number", "minimum": 0}]}

_EMPTY_ITEMS = ("users", "apiKeys")
"""Maps in which a name with nothing behind it, as `alice:`, says all that there is to say."""


class ModelSchema(GenerateJsonSchema):
    """Pydantic's generator, with what the functions in the models' annotations check."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Pydantic's
        super().__init__(*args, **kwargs)
        self._by_validators = by_validators()

    def generate_inner(self, schema: Any) -> JsonSchemaValue:  # noqa: ANN401 - Pydantic's own union of schemas
        """Return the schema of a value, by the function that checks it where it has one."""
        if schema["type"] == "function-wrap" and self._found(schema["schema"]) is not None:
            return self.generate_inner(schema["schema"])  # what may be an Output too
        found = self._found(schema)
        if found is not None:
            inner = super().generate_inner(schema)
            return {"anyOf": [inner, *found["anyOf"]]} if "$ref" in inner else dict(found)
        return super().generate_inner(schema)

    def _found(self, schema: Any) -> Schema | None:  # noqa: ANN401 - Pydantic's own union of schemas
        if schema["type"] not in {"function-after", "function-before"}:
            return None
        return self._by_validators.get(tuple(_validators_in(schema, schema["type"])))

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Return the schema of a map, with what its names have to be."""
        names = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        inner = self.generate_inner(schema["values_schema"]) if "values_schema" in schema else {}
        rules = {key: value for key, value in names.items() if key in {"pattern", "maxLength"}}
        found: Schema = {"type": "object", "additionalProperties": inner or True}
        return {**found, "propertyNames": rules} if rules else found


def _validators_in(schema: Any, kind: str) -> Iterator[int]:  # noqa: ANN401 - Pydantic's own union of schemas
    """Yield the identities of functions that are around a value, from the outermost in."""
    while schema["type"] == kind:
        yield id(schema["function"]["function"])
        schema = schema["schema"]


def stack_schema() -> str:
    """Return the JSON Schema of a stack file."""
    instance = HeadscaleArgs.model_json_schema(by_alias=True, schema_generator=ModelSchema)
    definitions = {**instance.pop("$defs"), "HeadscaleArgs": instance}
    for name in _EMPTY_ITEMS:
        items = instance["properties"][name]
        items["additionalProperties"] = {"anyOf": [items["additionalProperties"], {"type": "null"}]}
    for model in set(models_in(HeadscaleArgs)):
        _complete(model, definitions[model.__name__])
    definitions["AclSpec"]["patternProperties"] = {"^#": {}}
    instances = {
        "description": "The instances, by name.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": pattern(DNS_LABEL, maxLength=LONGEST_NAME),
        "additionalProperties": {"$ref": "#/$defs/HeadscaleArgs"},
    }
    whole = {
        "$schema": DIALECT,
        "title": "Stack file of Headscale on Kubernetes",
        "type": "object",
        "properties": {"config": {"type": "object", "properties": {ROOT: instances}}},
        "$defs": {**definitions, **dict(_kubernetes_definitions())},
    }
    return json.dumps(_tidy(whole), indent=2, ensure_ascii=False) + "\n"


def models_in(annotation: Any) -> Iterator[type[SpecModel]]:  # noqa: ANN401 - an annotation may be anything
    """Yield every model that an annotation holds, itself too."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in get_args(annotation):
        yield from models_in(argument)


def _complete(model: type[SpecModel], definition: Schema) -> None:
    """Add to a model's schema what single fields say, null for what may be left out, and the other spelling."""
    required = set(definition.get("required", ()))
    spellings = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        written = definition["properties"][key]
        rule = OF_FIELDS.get((model.__name__, name))
        if rule is not None:
            kept: Schema = {word: value for word, value in written.items() if word in {"description", "default"}}
            written = {**(kept if {"type", "anyOf"} & rule.keys() else written), **rule}
        definition["properties"][key] = written if key in required else or_null(written)
        spellings[key] = name
    with_both_spellings(definition, spellings)


def or_null(schema: Schema) -> Schema:
    """Return a schema that takes null too: a key with nothing behind it is as if it was not written."""
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    if isinstance(schema.get("type"), str) and not {"enum", "const"} & schema.keys():
        return {**schema, "type": [schema["type"], "null"]}
    outside: Schema = {word: schema[word] for word in ("description", "default", "examples") if word in schema}
    inside = {word: value for word, value in schema.items() if word not in outside}
    choices = inside["anyOf"] if set(inside) == {"anyOf"} else [inside]
    return {"anyOf": [*choices, {"type": "null"}], **outside}


def _kubernetes_definitions() -> Iterator[tuple[str, Schema]]:
    for name, schema in types().items():
        yield f"kubernetes.{name}", _QUANTITY_SCHEMA if name == QUANTITY else _of_kubernetes(schema)


def _of_kubernetes(schema: Mapping[str, Any], *, required: bool = True) -> Schema:
    found = dict(schema)
    if "$ref" in found:
        found["$ref"] = f"#/$defs/kubernetes.{found['$ref']}"
    for word in {"items", "additionalProperties"} & found.keys():
        found[word] = _of_kubernetes(found[word])
    if "properties" in found:
        needed = set(found.get("required", ()))
        found["properties"] = {
            key: _of_kubernetes(inner, required=key in needed) for key, inner in found["properties"].items()
        }
        found["additionalProperties"] = False
        with_both_spellings(found, {key: snake(key) for key in found["properties"]})
    return found if required else or_null(found)


def _tidy(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema without what only repeats keys, with Kubernetes' types, and without secrets in free maps."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    if KIND_KEY in value:
        return {"$ref": f"#/$defs/kubernetes.{value[KIND_KEY]}"} | {
            word: _tidy(value[word]) for word in ("description", "default") if word in value
        }
    title_of_a_key = isinstance(value.get("title"), str) and "$schema" not in value
    found = {
        key: " ".join(item.split()) if key == "description" and isinstance(item, str) else _tidy(item)
        for key, item in value.items()
        if not (key == "title" and title_of_a_key)
    }
    is_free_map = value.get("type") == "object" and value.get("additionalProperties", False) is not False
    return found | _NO_SECRET if is_free_map and "not" not in found else found
