"""Keys with nothing behind them: they say what a key says that is not there, as in Headscale's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from headscale_component.spec.model import SpecModel


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
    if origin in {list, tuple} and isinstance(value, list):
        return [without_empty(arguments[0], item) for item in value]
    return value


def _of_model(model: type[SpecModel], value: Mapping[str, Any]) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    empty: set[str] = set()
    for name, field in model.model_fields.items():
        spellings = (name, field.alias or name)
        kinds |= dict.fromkeys(spellings, field.annotation)
        empty |= set() if _has_meaning_of_none(field) else set(spellings)
    return {
        key: without_empty(kinds.get(key), item) for key, item in value.items() if item is not None or key not in empty
    }


def _has_meaning_of_none(field: FieldInfo) -> bool:
    """Return whether `null` says something else than the key's absence, as `prefixes.v6: null` does."""
    return NoneType in get_args(field.annotation) and field.get_default(call_default_factory=True) is not None
