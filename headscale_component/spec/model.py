"""The base of every model, and how a value that only Pulumi knows passes through it."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class SpecModel(BaseModel):
    """A part of the stack YAML: camelCase as people write it, snake_case (the seed operator's other spelling) too."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
    )


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


Leaf = Annotated[T, WrapValidator(_outputs_pass), WrapSerializer(_outputs_stay)]
"""A value that may be a pulumi Output in Python; what is plain is checked, an Output is taken as it is."""
