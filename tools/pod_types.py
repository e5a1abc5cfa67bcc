"""Write the types of a pod's parts, by which additions to the pod are checked.

Run with an API server's schema:
`kubectl get --raw /openapi/v3/api/v1 | python -m tools.pod_types`
(https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PARTS = (
    "Volume",
    "Container",
    "VolumeMount",
    "Toleration",
    "Affinity",
    "TopologySpreadConstraint",
    "ResourceRequirements",
)
"""What people may add; the types in these follow."""

FILE = Path(__file__).parents[1] / "headscale_component" / "spec" / "pod_types.json"

_GROUP = "io.k8s.api.core.v1."
_KEPT = ("type", "enum", "properties", "required", "items", "additionalProperties", "oneOf")

Schema = Mapping[str, Any]


def types_of(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the types of `PARTS`, and of what is in them, without descriptions.

    Args:
        schemas: `components.schemas` of the API server's document.
    """
    found: dict[str, Any] = {}

    def reference(name: str) -> dict[str, Any]:
        short = name.rpartition(".")[2]
        if short not in found:
            found[short] = {}  # types refer to themselves
            found[short] = reduced(schemas[name])
        return {"$ref": short}

    def reduced(schema: Schema) -> dict[str, Any]:
        if "allOf" in schema:
            return reduced(schema["allOf"][0])
        if "$ref" in schema:
            return reference(schema["$ref"].rpartition("/")[2])
        kept = {key: value for key, value in schema.items() if key in _KEPT}
        for key in {"items", "additionalProperties"} & kept.keys():
            kept[key] = reduced(kept[key])
        if "properties" in kept:
            kept["properties"] = {name: reduced(inner) for name, inner in kept["properties"].items()}
        return kept

    for part in PARTS:
        reference(_GROUP + part)
    return found


def to_text(types: Mapping[str, Any]) -> str:
    """Return the types as JSON, one on each line."""
    lines = (f"{json.dumps(name)}: {json.dumps(types[name], sort_keys=True)}" for name in sorted(types))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(to_text(types_of(json.load(sys.stdin)["components"]["schemas"])))
