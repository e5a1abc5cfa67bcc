"""The base of every model, and how a value that only Pulumi knows passes through it."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, WrapValidator
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


def is_output(value: object) -> bool:
    """Return whether a value is a pulumi Output, without loading pulumi to find out."""
    pulumi = sys.modules.get("pulumi")
    return pulumi is not None and isinstance(value, pulumi.Output)


def _outputs_pass(value: Any, check: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - any leaf
    return value if is_output(value) else check(value)


Leaf = Annotated[T, WrapValidator(_outputs_pass)]
"""A value that may be a pulumi Output in Python; what is plain is checked, an Output is taken as it is."""
