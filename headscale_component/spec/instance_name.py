"""An instance's name: its Services, ServiceAccount and StatefulSet bear it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from headscale_component.spec.errors import text_of
from headscale_component.spec.note import Note
from headscale_component.spec.valid_part import rule
from headscale_component.spec.values import DnsLabel

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

_NAME: TypeAdapter[str] = TypeAdapter(DnsLabel)
LONGEST_NAME = 40
"""Characters of a name in a stack file: room for what others append to it."""

LONGEST_POSSIBLE = 52
"""Pods get the label controller-revision-hash, the StatefulSet's name and a hash, in 63 characters."""


def name_problems(name: object, spec: HeadscaleArgs, *, longest: int = LONGEST_NAME) -> Iterator[str]:
    """Yield what is wrong with an instance's name.

    Args:
        name: The name.
        spec: The instance, or its valid part.
        longest: How many characters it may have.
    """
    try:
        text = _NAME.validate_python(name)
    except ValidationError as error:
        yield from map(text_of, error.errors())
        return
    if len(text) > longest:
        yield f"has {len(text)} characters; Kubernetes has room for {longest}"
    yield from _taken_by_kubernetes(text, spec)


def name_note(name: str) -> Iterator[Note]:
    """Find a digit that begins a name: Services of Kubernetes before 1.36 do not take it.

    Source: https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/
    (`RelaxedServiceNameValidation`).

    Args:
        name: The name, which is valid.
    """
    if name[:1].isdigit():
        text = (
            f"Kubernetes before 1.36 takes no Service with a digit first; `{name}` can only be deployed on newer ones"
        )
        yield Note("name-begins-with-digit", (), text)


@rule
def _taken_by_kubernetes(name: str, spec: HeadscaleArgs) -> Iterator[str]:
    """Find the name of an object that every namespace has, or that the namespace `default` has."""
    if name == "default" and spec.api_key.auto_manage:
        # https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
        yield (
            "`default` is the ServiceAccount of every pod that names none: all of them in the namespace would get the "
            "sidecar's rights; choose another name"
        )
    if name == "kubernetes" and spec.namespace == "default":
        yield "`kubernetes` is the API server's own Service in the namespace `default`; choose another name"
