"""The valid part of a document: the fields that pass on their own, for the rules between fields.

The models report every field that does not pass. Rules between fields run on the rest, so that all problems come at
once and no rule has to ask for shapes, spellings or defaults: a model has settled them, or the field is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, wraps
from types import UnionType
from typing import Annotated, Any, ParamSpec, TypeVar, Union, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from headscale_component.spec.errors import inner_model
from headscale_component.spec.model import InvalidFieldError, NamedPart, SpecModel

M = TypeVar("M", bound=SpecModel)
P = ParamSpec("P")
T = TypeVar("T")


def rule(find: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Let a generator end where it reads an invalid field, which its model has reported; other errors pass.

    Args:
        find: The generator. What may be invalid on its own, such as one key of many, needs a rule of its own.
    """

    @wraps(find)
    def until_invalid(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from find(*args, **kwargs)
        except InvalidFieldError:
            return

    return until_invalid


def valid_part(model: type[M], data: object) -> M:
    """Return an instance of the fields that are valid, each on its own; sections in them are taken apart likewise.

    Args:
        model: The model of the document.
        data: The document as it was written.

    Returns:
        The instance, with the defaults of what was not written. Reading an invalid field raises `InvalidFieldError`,
        and `model_fields_set` holds the invalid ones too.
    """
    written = data if isinstance(data, Mapping) else {}
    keys = {name: _key_of(name, field, written) for name, field in model.model_fields.items()}
    part = cast(M, model.model_construct(_fields_set={name for name, key in keys.items() if key is not None}))
    vars(part).clear()  # of the defaults, which `model_construct` gives to the invalid ones too
    for name, field in model.model_fields.items() if isinstance(data, Mapping) else ():
        key = keys[name]
        with suppress(InvalidFieldError):
            vars(part)[name] = _default(field) if key is None else _valid_field(field, written[key])
    return part


def invalid_fields(part: SpecModel) -> frozenset[str]:
    """Return the names of the fields that are invalid, empty for an instance that passed as a whole."""
    return frozenset(type(part).model_fields.keys() - vars(part).keys())


def value_or_none(part: SpecModel, name: str) -> Any:  # noqa: ANN401 - any field
    """Return a field's value, None also where it is invalid."""
    return vars(part).get(name)


def _key_of(name: str, field: FieldInfo, written: Mapping[Any, Any]) -> str | None:
    """Return under which of its two spellings a field was written, None where it was not."""
    return next((key for key in (field.alias or name, name) if key in written), None)


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - any field
    """Return what a field is when it was not written; a section that has to be written still has its defaults."""
    if not field.is_required():
        return field.get_default(call_default_factory=True)
    return valid_part(_section_in(field.annotation), {})


def _valid_field(field: FieldInfo, value: object) -> Any:  # noqa: ANN401 - any field
    return _valid(Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation, value)


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotation
    return TypeAdapter(annotation)


def _valid(annotation: Any, value: object) -> Any:  # noqa: ANN401 - any annotation, any value
    """Return a value, or its valid part: of a section, or of each section in a mapping or a list.

    Of an invalid object of Kubernetes' in a list its name is left.

    Raises:
        InvalidFieldError: When the value is invalid, and none of these.
    """
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError:
        return _taken_apart(annotation, value)


def _taken_apart(annotation: Any, value: object) -> Any:  # noqa: ANN401 - any annotation, any value
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType, Annotated}:
        return _taken_apart(next(filter(inner_model, arguments), None), value)
    if isinstance(value, Mapping) and isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return valid_part(annotation, value)
    if isinstance(value, Mapping) and origin is dict:
        # An invalid name is a name all the same: what refers to it refers to something.
        return {name: _valid_item(arguments[1], item) for name, item in value.items() if isinstance(name, str)}
    if isinstance(value, list | tuple) and origin in {list, tuple}:
        return origin(_valid_item(arguments[0], item) for item in value)
    raise InvalidFieldError


def _valid_item(annotation: Any, value: object) -> Any:  # noqa: ANN401 - any annotation, any value
    if _is_of_kubernetes(annotation) and isinstance(value, Mapping):
        try:
            return _adapter(annotation).validate_python(value)
        except ValidationError:
            return NamedPart(value.get("name"))
    section = _section_in(annotation)
    try:
        return _valid(annotation, value)
    except InvalidFieldError:
        return valid_part(section, value)


def _is_of_kubernetes(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    """Return whether values are mappings whose fields are no model's."""
    return get_origin(annotation) is Annotated and get_args(annotation)[0] == dict[str, Any]


def _section_in(annotation: Any) -> type[SpecModel]:  # noqa: ANN401 - any annotation
    section = inner_model(annotation)
    if section is None or not issubclass(section, SpecModel):
        raise InvalidFieldError
    return section
