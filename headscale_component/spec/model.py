"""The base of every model, and how a value that only Pulumi knows passes through it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    StrictStr,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapSerializer,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class InvalidFieldError(Exception):
    """A field was read that did not pass validation, of an instance that `valid_part` made."""


class NamedPart(Mapping[str, Any]):
    """An invalid object of Kubernetes' in a list: other objects refer to its name, and nothing else of it is read.

    Args:
        name: Its name, as it was written; None where it has none.
    """

    def __init__(self, name: object) -> None:
        self._name = name

    def __getitem__(self, key: str) -> object:
        """Return the name, and refuse to read another field."""
        if key == "name":
            return self._name
        raise InvalidFieldError(key)

    def __iter__(self) -> Iterator[str]:
        """Refuse to read the fields."""
        raise InvalidFieldError

    def __len__(self) -> int:
        """Refuse to count the fields."""
        raise InvalidFieldError


class SpecModel(BaseModel):
    """A part of the stack YAML: camelCase as people write it, snake_case (the operator's other spelling) too."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
        # What is refused may be a secret; Pydantic would put it into the text of its error.
        hide_input_in_errors=True,
    )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Refuse to read a field that `valid_part` left out; called for what the instance does not have."""
            if name in type(self).model_fields:
                raise InvalidFieldError(f"{type(self).__name__}.{name}")
            return super().__getattr__(name)


class EncryptedValue:
    """A value that a stack file holds encrypted, where nobody can open it: on the command line."""

    def __repr__(self) -> str:
        """Return what is shown in its place."""
        return "[secret]"


def is_output(value: object) -> bool:
    """Return whether only Pulumi knows a value, without loading pulumi to find out."""
    pulumi = sys.modules.get("pulumi")
    return isinstance(value, EncryptedValue) or (pulumi is not None and isinstance(value, pulumi.Output))


def _outputs_pass(value: Any, check: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - any leaf
    return value if is_output(value) else check(value)


def _outputs_stay(value: Any, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401 - any leaf
    return value if is_output(value) else serialize(value)


OrOutput = Annotated[T, WrapValidator(_outputs_pass), WrapSerializer(_outputs_stay)]
"""A value that may be a pulumi Output in Python; what is plain is checked, an Output is taken as it is."""


def _never_in_clear(_: object) -> str:
    raise ValueError(
        "is a secret and would stand in clear; set it with `pulumi config set --secret --path`, or give a Pulumi "
        "secret in Python"
    )


ENCRYPTED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
"""A value in a stack file that `pulumi config set --secret` encrypted."""

SecretText = OrOutput[Annotated[str, BeforeValidator(_never_in_clear), WithJsonSchema(ENCRYPTED_SCHEMA)]]
"""A secret that may only be a pulumi Output; a plain text is refused."""

TextOrSecret = OrOutput[Annotated[StrictStr, WithJsonSchema({"anyOf": [{"type": "string"}, ENCRYPTED_SCHEMA]})]]
"""A text that may be a pulumi Output, and encrypted in a stack file."""
