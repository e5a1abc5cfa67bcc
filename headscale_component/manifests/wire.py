"""Kubernetes objects as the API server knows them, made of Pulumi's arguments."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, cast

# Private: without an engine Pulumi has no public way from an arguments class to the names on the wire
# (https://github.com/pulumi/pulumi/blob/master/sdk/python/lib/pulumi/_types.py).
from pulumi._types import input_type_py_to_pulumi_names, is_input_type


def plain(value: Any) -> Any:  # noqa: ANN401 - any argument
    """Return arguments under the names that Kubernetes knows; Outputs in them stay as they are.

    Args:
        value: An instance of an arguments class of `pulumi_kubernetes`, or a mapping, list or value in one.
    """
    if is_input_type(type(value)):
        known = _wire_names(cast(Hashable, type(value)))
        return {known[name]: plain(item) for name, item in vars(value).items() if item is not None}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@cache
def _wire_names(arguments: Hashable) -> dict[str, str]:
    """Return Kubernetes' names of the arguments of a class, by Python's."""
    return dict(input_type_py_to_pulumi_names(cast(type, arguments)))
