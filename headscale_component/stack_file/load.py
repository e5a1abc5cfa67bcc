"""The instances of a stack, checked alike by the command line and by the program that Pulumi runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.empty_sections import without_empty
from headscale_component.spec.errors import Problem, SpecError
from headscale_component.spec.instances import ROOT, load_instances
from headscale_component.stack_file.encrypted import misplaced
from headscale_component.stack_file.file import StackFile, is_path


def load(document: object) -> dict[str, HeadscaleArgs]:
    """Check the instances of a stack.

    Args:
        document: The value of `headscale:instances`, with an `EncryptedValue` for what is encrypted and cannot be
            opened here, or may not be opened where it is.

    Raises:
        SpecError: With every problem, each path beginning with `headscale:instances`.
    """
    refused = list(misplaced(document))
    places = [problem.path for problem in refused]
    try:
        instances = load_instances(prepared(document))
    except SpecError as error:
        others = [problem for problem in error.problems if not _is_about(problem, places)]
        raise SpecError([*refused, *others]) from None
    if refused:
        raise SpecError(refused)
    return instances


def load_file(file: StackFile) -> dict[str, HeadscaleArgs]:
    """Check the instances of a stack file.

    Raises:
        SpecError: As `load`; and where they are under a key that is nearly right, with that key.
    """
    near = file.near_key() if file.instances is None else None
    if near is None:
        return load(file.instances)
    key, line = near
    meant = f"did you mean `{ROOT}`?"
    if is_path(key):
        meant = "it is a path to `pulumi config set --path` alone; set it with that, and remove this"
    raise SpecError([Problem((), f"{key}: unknown key; {meant} ({file.path}, line {line})")])


def prepared(document: Any) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return instances without the keys that have nothing behind them."""
    if not isinstance(document, Mapping):
        return document
    return {name: without_empty(HeadscaleArgs, instance) for name, instance in document.items()}


def _is_about(problem: Problem, places: list[tuple[str | int, ...]]) -> bool:
    """Return whether a problem is about one of the places, or about what is in it."""
    return any(problem.path[: len(place)] == place for place in places)
