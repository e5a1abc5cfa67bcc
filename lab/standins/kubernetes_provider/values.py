"""Values on the wire: secrets stay wrapped, whole numbers are whole again."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the wire's mark of a secret
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Tree = dict[str, Any]


def from_wire(struct: Struct) -> Tree:
    """Return the properties as plain values, secrets still in their wrappers."""
    tree: Tree = _whole(json_format.MessageToDict(struct))
    return tree


def to_wire(tree: Tree) -> Struct:
    """Return properties for the wire."""
    struct = Struct()
    json_format.ParseDict(tree, struct)
    return struct


def opened(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return a value with all secrets in clear, for the API server."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return opened(value["value"])
        return {key: opened(its) for key, its in value.items()}
    return [opened(its) for its in value] if isinstance(value, list) else value


def secret(value: Any) -> Tree:  # noqa: ANN401 - any value
    """Return a value marked as secret."""
    return {SIGNATURE: SECRET, "value": opened(value)}


def holds_unknown(value: Any) -> bool:  # noqa: ANN401 - any value
    """Return whether something in a value is not known yet."""
    if isinstance(value, dict):
        return any(map(holds_unknown, value.values()))
    if isinstance(value, list):
        return any(map(holds_unknown, value))
    return bool(value == UNKNOWN)


def paths_of_secrets(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:  # noqa: ANN401
    """Return where the secrets of a tree are."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return [path]
        return [found for key, its in value.items() for found in paths_of_secrets(its, (*path, key))]
    if isinstance(value, list):
        return [found for index, its in enumerate(value) for found in paths_of_secrets(its, (*path, index))]
    return []


def with_secrets(live: Tree, inputs: Tree) -> Tree:
    """Mark in a live object what was secret in the inputs; of a Secret, the whole data (rule 9)."""
    if inputs.get("kind") == "Secret":
        return {**live, **{key: secret(live[key]) for key in ("data", "stringData") if key in live}}
    for path in paths_of_secrets(inputs):
        # The whole top-level part is hidden: what the server adds beside a secret may repeat it.
        if path and path[0] in live:
            live = {**live, str(path[0]): secret(live[str(path[0])])}
    return live


def folded(inputs: Tree) -> Tree:
    """Return a Secret's inputs with `stringData` folded into one secret `data` (rule 9); others as they are."""
    if inputs.get("kind") != "Secret":
        return inputs
    texts, data = opened(inputs.get("stringData")) or {}, opened(inputs.get("data")) or {}
    if holds_unknown(texts) or holds_unknown(data):
        return inputs
    rest = {key: value for key, value in inputs.items() if key not in {"data", "stringData"}}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
    return {**rest, "data": secret({**data, **encoded})} if encoded or data else rest


def _whole(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(its) for key, its in value.items()}
    return [_whole(its) for its in value] if isinstance(value, list) else value
