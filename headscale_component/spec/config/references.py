"""Values of the configuration that are in a Secret of the cluster: they reach Headscale by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from headscale_component.spec.config.types import DsnWord, Positive, Text
from headscale_component.spec.errors import text_of
from headscale_component.spec.kubernetes_values import DataKey
from headscale_component.spec.model import OrOutput, SpecModel
from headscale_component.spec.values import ReferencedName


class KeyReference(SpecModel):
    """A key of a Secret or ConfigMap in the instance's namespace."""

    name: OrOutput[ReferencedName]
    """Name of the Secret or ConfigMap. In Python an Output too, such as the name of a Secret that the program makes."""

    key: DataKey
    """Name of the value in it, for example `client-secret`."""


class SecretReference(SpecModel):
    """A secret that is somewhere else: `{secretKeyRef: {name: …, key: …}}`."""

    secret_key_ref: KeyReference
    """The Secret and the key in it."""


def _is_reference(value: object) -> bool:
    return isinstance(value, SecretReference) or (
        isinstance(value, Mapping) and bool(value) and value.keys() <= {"secretKeyRef", "secret_key_ref"}
    )


def _never_in_clear(value: object) -> object:
    if _is_reference(value):
        return value
    raise ValueError(
        "is a secret and would stand in clear; write `{secretKeyRef: {name: SECRET, key: KEY}}`, "
        "or give a Pulumi secret in Python"
    )


SecretValue = OrOutput[Annotated[SecretReference, BeforeValidator(_never_in_clear)]]
"""A secret by reference, or in Python a Pulumi secret; it reaches Headscale by its environment."""


def _in_place_of(kind: Any) -> BeforeValidator:  # noqa: ANN401 - an annotation may be anything
    """Return a check by which what is no reference is refused by the rule of its own kind alone."""
    own: TypeAdapter[Any] = TypeAdapter(kind)

    def check(value: object) -> object:
        if isinstance(value, Mapping | SecretReference):
            return value
        try:
            return own.validate_python(value)
        except ValidationError as error:
            raise ValueError(text_of(error.errors()[0])) from None

    return BeforeValidator(check)


TextOrReference = Annotated[Text | SecretReference, _in_place_of(Text)]
"""A text, or where it is in a Secret, as platforms hand out what they generate."""

DsnWordOrReference = Annotated[DsnWord | SecretReference, _in_place_of(DsnWord)]
"""A word of a connection string, or where it is in a Secret."""

PositiveOrReference = Annotated[Positive | SecretReference, _in_place_of(Positive)]
"""A number above 0, or where it is in a Secret."""
