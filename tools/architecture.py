"""Draw the imports between the packages into `docs/architecture.md`: `make architecture`.

The picture comes from the code alone, by grimp, the import graph that import-linter is built on
(https://grimp.readthedocs.io/). A module that imports nothing of this code base is drawn by itself where several
packages import it and its own package has subpackages: errors and versions are below everything else of theirs.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

ROOTS = ("headscale_component", "dynamic_providers", "headscale_sidecar", "headscale_core")
"""The packages of the product, from the one that people import down to the one that imports no other."""

LAYERS = (
    ("headscale_component", "headscale_sidecar"),
    ("headscale_component.manifests", "headscale_component.schema", "headscale_component.stack_file"),
    ("headscale_component.spec",),
    ("dynamic_providers",),
    ("dynamic_providers.admin",),
    ("dynamic_providers.kubernetes",),
    ("headscale_component.versions", "dynamic_providers.settings", "dynamic_providers.retry"),
    ("headscale_core.keys", "headscale_core.policy"),
    ("headscale_core.users", "headscale_core.rollout"),
    ("headscale_core.client",),
    ("headscale_core.values",),
)
"""From top to bottom: a package imports packages below its own layer only. A module that is named here is drawn."""

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"

_RESOLVED_LAZILY = {"headscale_core": "headscale_core.client"}
"""A package whose names are resolved on first use, and the package in which they are."""

Arrow = tuple[str, str]

_HEAD = """\
# Architecture

Generated from the code by `make architecture`; do not edit. An arrow means *imports*. Arrows go down only;
`tests/unit/test_architecture.py` lists the exceptions, and the contracts in `pyproject.toml` hold the order.

"""


def arrows() -> set[Arrow]:
    """Return which package imports which, as pairs of dotted names."""
    graph = grimp.build_graph(*ROOTS, exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    found = {(_node(module, imports), _node(other, imports)) for module, others in imports.items() for other in others}
    importers = Counter(other for _, other in found)
    own = {name: _root(name) for name, count in importers.items() if count == 1 and _is_leaf(name, imports)}
    joined = {(own.get(one, one), own.get(other, other)) for one, other in found}
    return {(one, other) for one, other in joined if one != other}


def _node(module: str, imports: Mapping[str, Iterable[str]]) -> str:
    """Return the name under which a module is drawn."""
    parts = module.split(".")
    if len(parts) == 1 or _is_package(".".join(parts[:2]), imports):
        package = ".".join(parts[:2])
        return _RESOLVED_LAZILY.get(package, package)
    if any(module in packages for packages in LAYERS):
        return module
    has_subpackages = any(_is_package(other, imports) for other in imports if other.startswith(f"{parts[0]}."))
    return module if has_subpackages and not imports[module] else _root(module)


def _is_leaf(name: str, imports: Iterable[str]) -> bool:
    return name not in ROOTS and not _is_package(name, imports)


def _root(name: str) -> str:
    root = name.partition(".")[0]
    return _RESOLVED_LAZILY.get(root, root)


def _is_package(name: str, imports: Iterable[str]) -> bool:
    return any(module.startswith(f"{name}.") for module in imports)


def layer_of(name: str) -> int:
    """Return a package's layer, counted from the top; a module that imports nothing is below all of them.

    Raises:
        ValueError: When a package is in no layer.
    """
    for depth, packages in enumerate(LAYERS):
        if name in packages:
            return depth
    if name.rpartition(".")[0] in ROOTS and not hasattr(importlib.import_module(name), "__path__"):
        return len(LAYERS)
    raise ValueError(f"package `{name}` is in no layer: add it to LAYERS in tools/architecture.py")


def page() -> str:
    """Return the page: the picture, and what each part of it is for, by its docstring."""
    found = arrows()
    nodes = sorted({name for arrow in found for name in arrow}, key=lambda name: (layer_of(name), name))
    lines = ["```mermaid", "flowchart TD"]
    for root in ROOTS:
        lines.append(f'    subgraph {root}_package["{root}"]')
        lines += [
            f'        {_id(name)}["{name.removeprefix(f"{root}.")}"]' for name in nodes if name.split(".")[0] == root
        ]
        lines.append("    end")
    lines += [f"    {_id(one)} --> {_id(other)}" for one, other in sorted(found)]
    lines += ["```", "", "| Part | What is in it |", "| --- | --- |"]
    lines += [f"| `{name}` | {_purpose(name)} |" for name in nodes]
    return _HEAD + "\n".join(lines) + "\n"


def _id(name: str) -> str:
    return name.replace(".", "_")


def _purpose(name: str) -> str:
    return (inspect.getdoc(importlib.import_module(name)) or "").partition("\n")[0]


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
