"""Stack files: their instances, and the line of each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from headscale_component.spec.errors import PathPart, Problem, SpecError
from headscale_component.spec.instances import ROOT
from headscale_component.spec.model import EncryptedValue


@dataclass(frozen=True, slots=True)
class StackFile:
    """One `Pulumi.<stack>.yaml`.

    Attributes:
        path: Where it is.
        instances: What stands under `headscale:instances`, as it was written; None where nothing does.
    """

    path: Path
    instances: Any
    _node: yaml.Node | None

    def line_of(self, path: Sequence[PathPart]) -> int | None:
        """Return the line of a value, or of what holds the place where it is missing; counted from 1."""
        node = self._node
        line: int | None = None
        for part in path:
            node = _child(node, part) if node is not None else None
            if node is None:
                break
            line = node.start_mark.line + 1
        return line

    def format_problem(self, problem: Problem) -> str:
        """Return a problem as one line, with the number of the line that it is on."""
        line = self.line_of(problem.path[1:]) if problem.path[:1] == (ROOT,) else None
        text = str(problem) if problem.path else problem.message
        return f"{text} ({self.path}, line {line})" if line else text


def stack_files(directory: Path) -> list[Path]:
    """Return the stack files of a project, in the order of their names.

    Args:
        directory: The folder with `Pulumi.yaml`.

    Raises:
        SpecError: When there are none.
    """
    description = directory / "Pulumi.yaml"
    try:
        project = yaml.safe_load(description.read_text()) if description.exists() else {}
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError([Problem((), f"{description} is no YAML: {' '.join(str(error).split())}")]) from None
    project = project if isinstance(project, Mapping) else {}
    folder = directory / str(project.get("stackConfigDir", "."))
    found = sorted(folder.glob("Pulumi.*.yaml"))
    if not found:
        raise SpecError([Problem((), f"there are no stack files `Pulumi.<stack>.yaml` in {folder}")])
    return found


def stack_file(directory: Path, stack: str) -> Path:
    """Return where a project keeps the file of a stack.

    Raises:
        SpecError: When there is none, with those that are there.
    """
    files = {path.name.removeprefix("Pulumi.").removesuffix(".yaml"): path for path in stack_files(directory)}
    if stack not in files:
        raise SpecError([Problem((), f"there is no stack `{stack}`; known are: {', '.join(files)}")])
    return files[stack]


def read(path: Path) -> StackFile:
    """Read a stack file.

    Raises:
        SpecError: When it cannot be read, or is no YAML; with the line.
    """
    try:
        text = path.read_text()
        node, tree = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except OSError as error:
        raise SpecError([Problem((), f"{path} cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise SpecError([Problem((), f"{path} is no text")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError([Problem((), f"{path} is no YAML: {' '.join(str(error).split())}")]) from None
    config = tree.get("config") if isinstance(tree, Mapping) else None
    instances = config.get(ROOT) if isinstance(config, Mapping) else None
    return StackFile(path, hide_encrypted(instances), _child(_child(node, "config"), ROOT))


def hide_encrypted(value: Any) -> Any:  # noqa: ANN401 - any YAML
    """Return a tree with an `EncryptedValue` for each `secure:` value, which only Pulumi can decrypt."""
    if isinstance(value, Mapping):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return EncryptedValue()
        return {key: hide_encrypted(item) for key, item in value.items()}
    return [hide_encrypted(item) for item in value] if isinstance(value, list) else value


def _child(node: yaml.Node | None, part: PathPart) -> yaml.Node | None:
    """Return a key's value; of a key without value the key."""
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if getattr(key, "value", None) == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item
    return None
