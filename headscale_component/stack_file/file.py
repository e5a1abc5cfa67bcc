"""One stack file: its instances, and the line of each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from headscale_component.spec.errors import PathPart, Problem, SpecError
from headscale_component.spec.escapes import escaped
from headscale_component.spec.instances import ROOT
from headscale_component.stack_file.documents import parse_text, plain, read_document
from headscale_component.stack_file.encrypted import hide_encrypted
from headscale_component.stack_file.go_yaml import Item
from headscale_component.stack_file.project import Project, project_of

_NAMESPACE, _, _NAME = ROOT.partition(":")


@dataclass(frozen=True, slots=True)
class StackFile:
    """One `Pulumi.<stack>.yaml`.

    Attributes:
        path: Where it is.
        instances: What is under `headscale:instances`, as a program is given it, but with an `EncryptedValue` for each
            encrypted one; None where nothing is.
    """

    path: Path
    instances: Any
    _config: dict[str, Item]
    _key: str

    def line_of(self, path: Sequence[PathPart]) -> int | None:
        """Return the line of a value, or of what holds the place where it is missing; counted from 1."""
        return self._found((ROOT, *path))[0].line or None

    def format_problem(self, problem: Problem) -> str:
        """Return a problem as one line: the path as it is written, with the number of the line that it is on."""
        if problem.path[:1] != (ROOT,):
            return escaped(str(problem) if problem.path else problem.message)
        item, as_written, rest = self._found(problem.path)
        text = escaped(str(Problem((*as_written, *rest), problem.message)))
        return f"{text} ({self.path}, line {item.line})" if item.line else f"{text} ({self.path})"

    def format_problems(self, problems: Iterable[Problem]) -> list[str]:
        """Return problems in the order of the file; one of a value that several places share by an alias once."""
        found: dict[tuple[object, ...], tuple[int, str]] = {}
        for problem in problems:
            item, _, rest = self._found(problem.path) if problem.path[:1] == (ROOT,) else (Item(None), (), problem.path)
            found.setdefault((item.position, rest, problem.message), (item.position, self.format_problem(problem)))
        return [text for _, text in sorted(found.values(), key=lambda one: one[0])]

    def _found(self, path: Sequence[PathPart]) -> tuple[Item, tuple[PathPart, ...], tuple[PathPart, ...]]:
        """Return the item at a path or nearest above it, the path to it as it is written, and what is missing."""
        item = self._config.get(self._key, Item(None))
        as_written: list[PathPart] = [self._key]
        for number, part in enumerate(path[1:], 1):
            key, child = _child(item, part)
            if child is None:
                return item, tuple(as_written), tuple(path[number:])
            item = child
            as_written.append(key)
        return item, tuple(as_written), ()

    def near_key(self) -> tuple[str, int] | None:
        """Return the key of the configuration that is probably meant for the instances, and its line.

        None where the right one is there, with nothing behind it.
        """
        if self._key in self._config:
            return None
        near = [key for key in self._config if is_path(key)] or get_close_matches(ROOT, self._config, n=1, cutoff=0.8)
        return (near[0], self._config[near[0]].line) if near else None


def read(path: Path) -> StackFile:
    """Read a stack file.

    Raises:
        SpecError: When Pulumi cannot read it; with the lines.
    """
    document = read_document(path)
    root = document.value if document is not None else {}
    config = root.get("config", Item(None)).value if isinstance(root, dict) else None
    if not isinstance(root, dict) or not isinstance(config, dict | None):
        what = "`config` is" if isinstance(root, dict) else "is"
        raise SpecError([Problem((), escaped(f"{path}: {what} no mapping; write `config: {{{ROOT}: …}}`"))])
    entries = config or {}
    project = project_of(path)
    unusable = list(_unusable_keys(entries, project, path))
    if unusable:
        raise SpecError(unusable)
    keys = [key for key in _spellings(project) if key in entries]
    if len(keys) > 1:
        lines = " and ".join(f"`{key}` in line {entries[key].line}" for key in keys)
        raise SpecError([Problem((), f"{path}: {lines} are one to Pulumi; keep `{ROOT}` alone")])
    key = keys[0] if keys else ROOT
    item = entries.get(key)
    written = plain(item)
    if isinstance(written, str) and written:
        try:
            written = parse_text(written)
        except ValueError as error:
            where = f"({path}, line {item.line if item else 0})"
            raise SpecError([Problem((), escaped(f"{key}: {error} {where}"))]) from None
    else:
        written = hide_encrypted(written)
    return StackFile(path, written, entries, key)


def is_path(key: str) -> bool:
    """Return whether a key is a path below the instances, which `pulumi config set` reads with `--path` alone."""
    return key.startswith((f"{ROOT}.", f"{ROOT}["))


def _spellings(project: Project | None) -> tuple[str, ...]:
    """Return the keys that are `headscale:instances` to Pulumi; without a namespace, a key is the project's own.

    Source: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/config/key.go.
    """
    bare = (_NAME,) if project and project.name == _NAMESPACE else ()
    return (ROOT, f"{_NAMESPACE}:config:{_NAME}", *bare)


def _unusable_keys(config: dict[str, Item], project: Project | None, path: Path) -> Iterator[Problem]:
    """Yield the keys of the configuration by which Pulumi refuses the file."""
    for key, item in config.items():
        parts = key.split(":")
        is_key = len(parts) == 2 or (len(parts) == 3 and parts[1] == "config")  # noqa: PLR2004 - namespace, name
        if not is_key and not (len(parts) == 1 and project):
            yield Problem(
                (), escaped(f"{key}: is no key of Pulumi's; write `<namespace>:{key}` ({path}, line {item.line})")
            )


def _child(item: Item, part: PathPart) -> tuple[PathPart, Item | None]:
    """Return what is under a key, with the key as it is written: in camelCase or in snake_case."""
    if isinstance(item.value, dict):
        key = str(part)
        if key not in item.value:
            key = next((one for one in item.value if _folded(one) == _folded(key)), key)
        return key, item.value.get(key)
    if isinstance(item.value, list) and isinstance(part, int) and part < len(item.value):
        return part, item.value[part]
    return part, None


def _folded(key: str) -> str:
    return key.replace("_", "").lower()
