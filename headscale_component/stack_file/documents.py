"""Files in YAML or JSON as Pulumi reads them, and the values in them as a program is given them."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import yaml

from headscale_component.spec.errors import Problem, SpecError, dotted
from headscale_component.spec.escapes import escaped
from headscale_component.stack_file.go_scalars import ScalarError, in_json
from headscale_component.stack_file.go_yaml import Fault, Item, UnreadableError, compose, read_yaml

Node = str | float | bool | dict[str, Any] | list[Any] | None


def read_document(file: File) -> Item | None:
    """Return what is in a file, by the rules of its ending; None where it is empty.

    Args:
        file: A file that ends in `.yaml`, `.yml` or `.json`.

    Raises:
        SpecError: When Pulumi cannot read it: a line for each reason, with the number of the line in the file.
    """
    try:
        text = _decoded(file.read_bytes())
        return _read_json(text) if file.suffix == ".json" else read_yaml(text)
    except OSError as error:
        raise SpecError([Problem((), f"{file} cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise SpecError([Problem((), f"{file} is no text")]) from None
    except UnreadableError as error:
        raise SpecError([Problem((), _line(file, fault)) for fault in error.faults]) from None


def _decoded(data: bytes) -> str:
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_wide else "utf-8-sig")


def _line(file: File, fault: Fault) -> str:
    path = fault.path[1:] if fault.path[:1] == ("config",) and len(fault.path) > 1 else fault.path
    if not path:
        return escaped(f"{file}{f', line {fault.line}' if fault.line else ''}: {fault.message}")
    return escaped(f"{dotted(path)}: {fault.message} ({file}, line {fault.line})")


def plain(item: Item | None) -> Any:  # noqa: ANN401 - any JSON
    """Return a value without places; keys are sorted, as in the JSON that a program is given."""
    value = None if item is None else item.value
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    return [plain(one) for one in value] if isinstance(value, list) else value


def parse_text(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what a text holds that is JSON, as `pulumi config set headscale:instances '{…}'` writes it.

    Raises:
        ValueError: When it is no JSON, or a key is there twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"is a text that is no JSON: {error.msg[:1].lower()}{error.msg[1:]}; write a mapping"
        ) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"is JSON in which `{twice}` is written twice; join the two, or leave one out")
    return entries


def _no_constant(name: str) -> float:
    raise ValueError(f"is a text that is no JSON: `{name}` is no number there; write a mapping")


def _read_json(text: str) -> Item | None:
    """Return what is in a text of JSON, numbers as the engine has them: all are floats to it."""

    def number(written: str) -> float | int:
        value = float(written)
        if not math.isfinite(value):
            raise ScalarError(f"is no JSON: `{written}` is too large a number")
        return in_json(value)  # type: ignore[return-value] # of a float, a number

    try:
        value = json.loads(text, parse_int=number, parse_float=number, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise UnreadableError([Fault(error.lineno, f"is no JSON: {error.msg}")]) from None
    except (ValueError, RecursionError) as error:
        message = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UnreadableError([Fault(0, message)]) from None
    return _placed(value, _json_nodes(text))


def _json_nodes(text: str) -> yaml.Node | None:
    """Return the places of what is in JSON, which is YAML but for its tabs; None where it is not."""
    try:
        return compose(text.replace("\t", " "))
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _placed(value: Node, node: yaml.Node | None, key: yaml.Node | None = None) -> Item:
    """Return a value with the places of the nodes that it was read from."""
    place = key or node
    line, position = (place.start_mark.line + 1, place.start_mark.index) if place else (0, 0)
    if isinstance(value, Mapping):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        nodes = {name.value: (item, name) for name, item in pairs}
        return Item({name: _placed(one, *nodes.get(name, (None, None))) for name, one in value.items()}, line, position)
    if isinstance(value, list):
        items = node.value if isinstance(node, yaml.SequenceNode) else [None] * len(value)
        return Item([_placed(one, item) for one, item in zip(value, items, strict=False)], line, position)
    return Item(value, line, position)
