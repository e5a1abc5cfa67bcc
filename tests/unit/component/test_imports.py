"""What the contracts in `pyproject.toml` cannot say: import-linter knows a foreign package only as a whole."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("headscale_component", "dynamic_providers", "headscale_core", "headscale_sidecar")


def imported_by(path):
    """Yield the dotted names that a module imports, with the names taken from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers_of(module):
    """Return the files that import a module or a name from it."""
    paths = [REPOSITORY / "__main__.py", *(path for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py"))]
    return {
        str(path.relative_to(REPOSITORY))
        for path in paths
        if any(f"{name}.".startswith(f"{module}.") for name in imported_by(path))
    }


def test_dynamic_resources_live_only_in_dynamic_providers():
    """Their dotted paths stand in people's state, so they never move."""
    importers = importers_of("pulumi.dynamic")

    assert "dynamic_providers/resource.py" in importers
    assert {path for path in importers if not path.startswith("dynamic_providers/")} == set()


def test_private_parts_of_pulumi_are_used_once():
    """Each release of Pulumi may change them."""
    assert importers_of("pulumi._types") == {"headscale_component/manifests/wire.py"}
