"""Keys with nothing behind them mean their default, as in Headscale's own configuration: in YAML and in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from headscale_component.spec.model import SpecModel


@dataclass(frozen=True, slots=True)
class NullMeans:
    """Marks a key for which null is a value, and not its default.

    Attributes:
        meaning: What it is, for example "off".
    """

    meaning: str


def without_empty(annotation: Any, value: Any) -> Any:  # noqa: ANN401 - any annotation, any value
    """Return a value without the keys of models that have nothing behind them.

    What is in mappings of a person's own names stays as it is, such as `alice:` under `users`, and so does what is
    Kubernetes' own.

    Args:
        annotation: The type that the value is of, for example `HeadscaleArgs`.
        value: The value as it was written.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return without_empty(arguments[0], value)
    if origin in {Union, UnionType}:
        for kind in arguments:
            value = without_empty(kind, value)
        return value
    if isinstance(annotation, type) and issubclass(annotation, SpecModel) and isinstance(value, Mapping):
        return _of_model(annotation, value)
    if origin is dict and isinstance(value, Mapping):
        return {key: without_empty(arguments[1], item) for key, item in value.items()}
    if origin in {list, tuple} and isinstance(value, list | tuple):
        return [without_empty(arguments[0], item) for item in value]
    return value


def _of_model(model: type[SpecModel], value: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        fields |= dict.fromkeys((name, field.alias or name), field)
    return {
        key: without_empty(fields[key].annotation, item) if key in fields else item
        for key, item in value.items()
        if item is not None or key not in fields or any(isinstance(mark, NullMeans) for mark in fields[key].metadata)
    }
