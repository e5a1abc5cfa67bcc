"""Each package has one base of its errors, and the tree in the docstring of its errors module is the real one."""

import builtins
import importlib
import inspect
import pkgutil
import re

import pytest

import headscale_core

BASES = {"dynamic_providers": "ProviderError", "headscale_core": "HeadscaleError", "headscale_sidecar": "SidecarError"}


def errors_of(package):
    """Return all error classes that are defined in a package."""
    root = importlib.import_module(package)
    names = [
        module.name for module in pkgutil.walk_packages(root.__path__, f"{package}.") if "_proto" not in module.name
    ]
    modules = [root, *map(importlib.import_module, names)]
    found = {member for module in modules for _, member in inspect.getmembers(module, inspect.isclass)}
    # A refusal pretends to be built in, for what Python prints of it.
    return {
        kind
        for kind in found
        if issubclass(kind, Exception)
        and kind.__module__.partition(".")[0] in {package, "builtins"}
        and not hasattr(builtins, kind.__name__)
    }


def drawn_in(text):
    """Return each class of a drawn tree with its parent: the last one before it that stands further left."""
    parents, above = {}, []
    for line in text.splitlines():
        if drawn := re.match(r"[│├└─ ]*([A-Z]\w+)(?:  |$)", line):
            name, column = drawn[1], drawn.start(1)
            above = [(other, left) for other, left in above if left < column]
            parents[name] = above[-1][0] if above else None
            above.append((name, column))
    return parents


@pytest.mark.parametrize("package", BASES)
def test_package_has_one_error_base(package):
    base = getattr(importlib.import_module(f"{package}.errors"), BASES[package])

    assert [kind.__name__ for kind in errors_of(package) if not issubclass(kind, base)] == []


@pytest.mark.parametrize("package", BASES)
def test_drawn_tree_is_the_real_one(package):
    kinds = errors_of(package)
    real = {kind: next((base for base in kind.__bases__ if base in kinds), None) for kind in kinds}

    drawn = drawn_in(importlib.import_module(f"{package}.errors").__doc__)

    assert drawn == {kind.__name__: parent and parent.__name__ for kind, parent in real.items()}


def test_exports_of_the_core_are_sorted_and_there():
    names = headscale_core.__all__

    assert names == sorted(names)
    assert all(getattr(headscale_core, name).__name__ == name for name in names)
