"""YAML as the Go library reads it that Pulumi uses, with the place of each value.

What differs from Python's YAML: `yes` and `on` are texts, keys are texts, a key that is written twice is an error,
dates are texts in Go's form, and only the first document counts
(https://github.com/go-yaml/yaml/blob/v3.0.1/decode.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.events import AliasEvent
from yaml.parser import Parser
from yaml.reader import Reader

from headscale_component.spec.errors import PathPart
from headscale_component.stack_file.go_scalars import Scalar, ScalarError, in_json, in_key, resolve
from headscale_component.stack_file.go_scanner import GoScanner
from headscale_component.stack_file.yaml_problems import yaml_problem

Path = tuple[PathPart, ...]

_MERGE = "<<"
_FEW_ALIASES, _FEW_READS = 100, 1000
_MANY_READS, _MANY_MORE_READS = 400_000, 3_600_000
_MOST_ALIASES, _LEAST_ALIASES = 0.99, 0.10


@dataclass(frozen=True, slots=True)
class Item:
    """A value, and where it is.

    Attributes:
        value: A scalar as a program is given it, or what is in a mapping or a list.
        line: The line of its key, or of itself where it has none; counted from 1, and 0 where it is not known.
        position: The same as an offset into the text, by which items are ordered.
    """

    value: str | float | bool | dict[str, Item] | list[Item] | None
    line: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Pulumi cannot read a text.

    Attributes:
        line: Counted from 1, 0 where it is not known.
        message: What is wrong there.
        path: The place in the document, empty for the syntax.
    """

    line: int
    message: str
    path: Path = ()


class UnreadableError(Exception):
    """A text that Pulumi cannot read.

    Attributes:
        faults: Why not, in the order of the text.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.message for fault in faults))


def read_yaml(text: str) -> Item | None:
    """Return the first document of a text; None where it has none.

    Raises:
        UnreadableError: With every key that is written twice, or with the first other fault.
    """
    try:
        node = compose(text)
        reader = _ItemReader()
        item = None if node is None else reader.item(node, (), node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"is no YAML: {yaml_problem(str(error.problem))}"
        raise UnreadableError([Fault(mark.line + 1 if mark else 0, problem)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"is no YAML: holds the control character {error.character:#x}"
        raise UnreadableError([Fault(line, problem)]) from None
    except (RecursionError, ValueError) as error:
        problem = "is nested too deeply" if isinstance(error, RecursionError) else f"is no YAML: {error}"
        raise UnreadableError([Fault(0, problem)]) from None
    if reader.faults:
        raise UnreadableError(sorted(reader.faults, key=lambda fault: fault.line))
    return item


def compose(text: str) -> yaml.Node | None:
    """Return the nodes of the first document, with an `Alias` for each alias; None where there is no document.

    Raises:
        yaml.YAMLError: When it is no YAML.
    """
    loader = _Composer(text)
    return loader.get_node() if loader.check_node() else None


class Alias(yaml.Node):
    """A reference to an anchor."""

    def __init__(self, anchor: Any, target: yaml.Node, mark: Any) -> None:  # noqa: ANN401 - PyYAML's
        super().__init__("", anchor, mark, mark)
        self.target = target


class _Composer(Reader, GoScanner, Parser, Composer):
    """Composes nodes without resolving what they mean."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        GoScanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:  # noqa: ANN401 - as PyYAML has it
        """Return a node; an anchor may be used again, and then means the later node."""
        event: yaml.NodeEvent = self.peek_event()  # type: ignore[no-untyped-call] # without types in PyYAML's stubs
        is_alias = isinstance(event, AliasEvent)
        if not is_alias:
            self.anchors.pop(event.anchor, None)
        node = super().compose_node(parent, index)
        return Alias(event.anchor, node, event.start_mark) if is_alias and node else node

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:  # noqa: ARG002 - PyYAML's
        return ""

    def descend_resolver(self, parent: yaml.Node | None, index: object) -> None: ...

    def ascend_resolver(self) -> None: ...


class _ItemReader:
    """Turns nodes into items.

    Attributes:
        faults: Keys that are written twice.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._open: list[yaml.Node] = []
        self._reads = self._alias_reads = self._aliases = 0

    def item(self, node: yaml.Node, path: Path, place: yaml.Node) -> Item:
        """Return the item of a node.

        Args:
            node: The node.
            path: Its place in the document.
            place: The node whose line is shown for it.

        Raises:
            UnreadableError: When it cannot be read at all.
        """
        self._count(node)
        line, position = place.start_mark.line + 1, place.start_mark.index
        if isinstance(node, Alias):
            target = self._entered(node, path)
            item = Item(self.item(target, path, target).value, line, position)
            self._aliases -= 1
            return item
        if isinstance(node, yaml.CollectionNode):
            self._open.append(node)
            found = self._entries(node, path) if isinstance(node, yaml.MappingNode) else self._items(node, path)
            self._open.pop()
            return Item(found, line, position)
        try:
            return Item(in_json(_scalar(node)), line, position)
        except ScalarError as error:
            raise UnreadableError([Fault(node.start_mark.line + 1, str(error), path)]) from None

    def _count(self, node: yaml.Node) -> None:
        """Refuse a document that is almost nothing but aliases of aliases, as Go does."""
        self._reads += 1
        self._alias_reads += self._aliases > 0
        if self._alias_reads <= _FEW_ALIASES or self._reads <= _FEW_READS:
            return
        beyond = min(max(self._reads - _MANY_READS, 0) / _MANY_MORE_READS, 1)
        if self._alias_reads / self._reads > _MOST_ALIASES - beyond * (_MOST_ALIASES - _LEAST_ALIASES):
            raise UnreadableError([Fault(node.start_mark.line + 1, "holds too many aliases of aliases")])

    def _entered(self, alias: Alias, path: Path) -> yaml.Node:
        if alias.target in self._open:
            raise UnreadableError(
                [Fault(alias.start_mark.line + 1, f"anchor `{alias.value}` contains itself; write the value out", path)]
            )
        self._aliases += 1
        return alias.target

    def _items(self, node: yaml.CollectionNode, path: Path) -> list[Item]:
        return [self.item(one, (*path, index), one) for index, one in enumerate(node.value)]

    def _entries(self, node: yaml.MappingNode, path: Path, *, as_text: bool = False) -> dict[str, Item]:
        """Return the entries of a mapping; its own win over merged ones, and of these the earlier."""
        as_text = as_text or all(isinstance(_key_value(key, path), str) for key, _ in node.value)
        entries: dict[str, Item] = {}
        spellings: dict[tuple[type[yaml.Node], str], yaml.Node] = {}
        written: dict[str, tuple[yaml.Node, Scalar]] = {}
        merged: yaml.Node | None = None
        for key, value in node.value:
            resolved = _key_value(key, path)
            name = _key_text(key, resolved, as_text=as_text)
            first = spellings.setdefault((type(key), key.value), key)
            if first is key and name is not None:
                # One number in two spellings is one key to Go, of which the later counts.
                earlier, other = written.setdefault(name, (key, resolved))
                first = earlier if type(other) is not type(resolved) else key
            if first is not key:
                problem = f"is written twice, the first time in line {_line(first)}; join the two, or leave one out"
                self.faults.append(Fault(_line(key), problem, (*path, str(key.value) if name is None else name)))
            if name is None:
                continue
            if name == _MERGE:
                merged = value
            else:
                entries[name] = self.item(value, (*path, name), key)
        for source in self._merged(merged, path, as_text=as_text) if merged else ():
            entries = {**source, **entries}
        return entries

    def _merged(self, node: yaml.Node, path: Path, *, as_text: bool) -> Iterator[dict[str, Item]]:
        """Yield the entries of each mapping behind `<<`, the later ones of a list last."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            self._count(source)
            target = self._entered(source, path) if isinstance(source, Alias) else source
            if not isinstance(target, yaml.MappingNode):
                problem = "merges what is no mapping; write `<<` with an alias of a mapping, or a list of these"
                raise UnreadableError([Fault(source.start_mark.line + 1, problem, path)])
            yield self._entries(target, path, as_text=as_text)
            self._aliases -= isinstance(source, Alias)


def _key_value(key: yaml.Node, path: Path) -> Scalar:
    """Return what a key is before it becomes a text."""
    target, line = key.target if isinstance(key, Alias) else key, key.start_mark.line + 1
    if not isinstance(target, yaml.ScalarNode):
        raise UnreadableError([Fault(line, "has a mapping or a list for a key; write a text", path)])
    try:
        return _scalar(target)
    except ScalarError as error:
        raise UnreadableError([Fault(line, str(error), path)]) from None


def _key_text(key: yaml.Node, resolved: Scalar, *, as_text: bool) -> str | None:
    """Return a key as a text; None for a null among texts, whose entry Go leaves out."""
    if not as_text:
        return in_key(resolved)
    return None if resolved is None else str(key.target.value if isinstance(key, Alias) else key.value)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _scalar(node: yaml.Node) -> Scalar:
    is_plain = isinstance(node, yaml.ScalarNode) and not node.style
    return resolve(node.value, "" if node.tag == "!" else node.tag, is_plain=is_plain)
