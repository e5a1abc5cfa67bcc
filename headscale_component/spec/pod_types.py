"""Parts of a pod by Kubernetes' own schema.

`pod_types.json` holds the schema of `/openapi/v3/api/v1` of an API server, made by `python -m tools.pod_types`:
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import AfterValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from headscale_component.spec import kubernetes_values
from headscale_component.spec.errors import PathPart, unknown_key
from headscale_component.spec.model import is_output
from headscale_component.spec.type_errors import (
    FLAG,
    LIST,
    MAPPING,
    NUMBER,
    TEXT,
    WHOLE,
    Mismatch,
    may_be_secret,
    mismatch_text,
)

Path = tuple[PathPart, ...]
Fault = tuple[Path, object, str]

_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": (TEXT, (str,)),
    "boolean": (FLAG, (bool,)),
    "integer": (WHOLE, (int,)),
    "number": (NUMBER, (int, float)),
    "array": (LIST, (list, tuple)),
    "object": (MAPPING, (dict,)),
}
"""For each type of JSON Schema what it is in YAML, and in Python."""

QUANTITY, _INT_OR_STRING = "Quantity", "IntOrString"

KIND_KEY = "x-kubernetes-type"
"""The keyword in Pydantic's JSON Schema that names the type of Kubernetes' in its place."""


@cache
def types() -> Mapping[str, Any]:
    """Return the types by name, each a JSON Schema with the names of other types in `$ref`."""
    text = files("headscale_component.spec").joinpath("pod_types.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


class PartOfPod:
    """An annotation for a field that holds one type of Kubernetes', such as `Volume`.

    The value is checked and returned with camelCase keys; snake_case, the spelling of `pulumi_kubernetes`, is taken
    too. What only Pulumi knows passes.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 - any YAML
        """Return a value in Kubernetes' spelling.

        Raises:
            ValidationError: With every fault in the value, each with its path.
        """
        spelt = _spelt({"$ref": self.kind}, value)
        faults = list(_faults({"$ref": self.kind}, spelt, ()))
        if faults:
            raise ValidationError.from_exception_data(
                self.kind,
                [
                    InitErrorDetails(
                        # Braces are places of the template.
                        type=PydanticCustomError("value_error", "{text}", {"text": text}),
                        loc=path,
                        input=found,
                    )
                    for path, found, text in faults
                ],
            )
        return spelt


def part_of_pod(kind: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the annotations of a field that holds a type of Kubernetes': its check, and its JSON Schema."""
    return AfterValidator(PartOfPod(kind)), WithJsonSchema({"type": "object", KIND_KEY: kind})


def snake(key: str) -> str:
    """Return a key of Kubernetes' in the spelling of `pulumi_kubernetes`: `disk_uri` for `diskURI`."""
    apart = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", key)
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", apart).lower()


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(types()[schema["$ref"]]) if "$ref" in schema else schema


def _spelt(schema: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401 - any YAML
    schema = _resolved(schema)
    if isinstance(value, list | tuple):
        return [_spelt(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    known = schema.get("properties", {})
    inner = schema.get("additionalProperties", {})
    names = {snake(key): key for key in known if key not in value}
    by_name = {key if key in known else names.get(key, key): item for key, item in value.items()}
    return {name: _spelt(known.get(name, inner), item) for name, item in by_name.items()}


def _faults(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Fault]:  # noqa: ANN401 - any YAML
    kind = str(schema.get("$ref"))
    schema = _resolved(schema)
    expected = schema.get("type", "object")
    if value is None or is_output(value) or not isinstance(value, str | bool | int | float | list | dict):
        return  # null is as if it was not written; the rest is an object of Pulumi's
    if kind in {QUANTITY, _INT_OR_STRING}:
        yield from _scalar_fault(kind, value, path)
        return
    in_yaml, in_python = _TYPES[expected]
    if not isinstance(value, in_python) or (isinstance(value, bool) and expected != "boolean"):
        yield path, value, _mismatch(path, value, in_yaml)
    elif value not in schema.get("enum", [value]):
        yield path, value, _mismatch(path, value, *(f"`{word}`" for word in schema["enum"]))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(schema.get("items", {}), item, (*path, index))
    elif isinstance(value, dict):
        yield from _faults_of_mapping(schema, value, path)


def _faults_of_mapping(schema: Mapping[str, Any], value: Mapping[Any, Any], path: Path) -> Iterator[Fault]:
    known, inner = schema.get("properties"), schema.get("additionalProperties")
    for key, item in value.items():
        if known is not None and key not in known:
            yield (*path, str(key)), item, unknown_key(str(key), list(known))
        elif known is not None or inner is not None:
            yield from _faults(known[key] if known is not None else inner or {}, item, (*path, key))
    for key in schema.get("required", ()):
        if value.get(key) is None:
            yield (*path, key), value, "is required and missing"


def _scalar_fault(kind: str, value: object, path: Path) -> Iterator[Fault]:
    if kind == QUANTITY:
        try:
            kubernetes_values.quantity(value)
        except ValueError as error:
            yield path, value, str(error)
    elif isinstance(value, bool) or not isinstance(value, int | str):
        yield path, value, _mismatch(path, value, WHOLE, TEXT)


def _mismatch(path: Path, value: object, *expected: str) -> str:
    return mismatch_text([Mismatch(one, value, hidden=may_be_secret(path)) for one in expected])
