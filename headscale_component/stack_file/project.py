"""A Pulumi project: its description, and where its stack files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headscale_component.spec.errors import Problem, SpecError
from headscale_component.stack_file.documents import plain, read_document

_ENDINGS = (".json", ".yaml", ".yml")
"""In the order in which Pulumi looks for them
(https://github.com/pulumi/pulumi/blob/master/sdk/go/common/encoding/marshal.go)."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        name: Its name; None where nothing says it.
        folder: Where its stack files are.
        ending: What their names end in, as the description's does.
    """

    name: str | None
    folder: Path
    ending: str

    def files(self) -> dict[str, Path]:
        """Return the stack files by stack, in the order of their names."""
        found = sorted(self.folder.glob(f"Pulumi.*{self.ending}"))
        return {path.name.removeprefix("Pulumi.").removesuffix(self.ending): path for path in found}


def read_project(directory: Path) -> Project:
    """Return the project of a folder, with Pulumi's defaults where it is not described.

    Args:
        directory: The folder with `Pulumi.yaml`, `Pulumi.yml` or `Pulumi.json`.

    Raises:
        SpecError: When the description cannot be read.
    """
    described = _description(directory)
    tree = plain(read_document(described)) if described else {}
    tree = tree if isinstance(tree, dict) else {}
    name = tree.get("name")
    folder = directory / (_text(tree.get("stackConfigDir")) or _text(tree.get("config")) or ".")
    return Project(name if isinstance(name, str) else None, folder, described.suffix if described else ".yaml")


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a folder's name; `config` is one in old projects, and a mapping in others."""
    return value if isinstance(value, str) else None


def project_of(file: Path) -> Project | None:
    """Return the project that a stack file belongs to: the nearest above it; None where there is none."""
    directory = project_directory(file)
    return read_project(directory) if directory else None


def project_directory(file: Path) -> Path | None:
    """Return the nearest folder above a stack file that has a project's description; None where there is none.

    Programs run in it, so paths in a stack file are relative to it.
    """
    return next((directory for directory in file.absolute().parents if _description(directory)), None)


def _description(directory: Path) -> Path | None:
    paths = (directory / f"Pulumi{ending}" for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def stack_files(directory: Path) -> list[Path]:
    """Return the stack files of a project, in the order of their names.

    Args:
        directory: The folder with the project's description.

    Raises:
        SpecError: When there are none.
    """
    project = read_project(directory)
    found = list(project.files().values())
    if not found:
        expected = f"Pulumi.<stack>{project.ending}"
        raise SpecError([Problem((), f"there are no stack files `{expected}` in {project.folder}")])
    return found


def stack_file(directory: Path, stack: str) -> Path:
    """Return where a project keeps the file of a stack.

    Raises:
        SpecError: When there is none, with those that are there.
    """
    stack_files(directory)
    files = read_project(directory).files()
    if stack not in files:
        raise SpecError([Problem((), f"there is no stack `{stack}`; known are: {', '.join(files)}")])
    return files[stack]
