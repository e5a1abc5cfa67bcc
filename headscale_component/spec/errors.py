"""All problems of a specification at once, each with its path, the rule, and what to write instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from headscale_component.spec.credentials import hide_credentials
from headscale_component.spec.escapes import escaped
from headscale_component.spec.model import is_output
from headscale_component.spec.type_errors import (
    Mismatch,
    mismatch,
    mismatch_text,
    without_secret,
)

PathPart = str | int
Path = tuple[PathPart, ...]

_UNIONS = (Union, UnionType)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Where, from the instance down, for example `("preAuthKeys", "ci", "expiration")`.
        message: What is wrong, the rule, and what to write instead.
    """

    path: tuple[PathPart, ...]
    message: str

    def under(self, *prefix: PathPart) -> Problem:
        """Return the same problem seen from further up."""
        return Problem((*prefix, *self.path), self.message)

    def __str__(self) -> str:
        """Return `path: message`, the path in the dotted form of `pulumi config --path`; without one, the message."""
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


class SpecError(Exception):
    """A specification that breaks rules; no ValueError, which Pydantic would wrap and so hide the paths.

    Attributes:
        problems: Every problem that was found, in the order of the document.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        shown = (Problem(problem.path, hide_credentials(problem.message)) for problem in problems)
        self.problems: tuple[Problem, ...] = tuple(dict.fromkeys(shown))
        super().__init__("\n".join(escaped(str(problem)) for problem in self.problems))


def dotted(path: Sequence[PathPart]) -> str:
    """Return a path as `a.b[0].c`; a key that holds a dot is quoted, as `a["b.c"]`."""
    text = ""
    for part in path:
        if isinstance(part, int) and not isinstance(part, bool):
            text += f"[{part}]"
            continue
        # Keys of other types come from Python alone; they are shown as YAML writes them.
        key = part if isinstance(part, str) else _name_in_yaml(part)
        if "." in key:
            text += f'["{key}"]'
        else:
            text += f".{key}" if text else key
    return text


def _name_in_yaml(key: object) -> str:
    return "an Output" if is_output(key) else json.dumps(key, default=repr)


def problems_of(
    error: ValidationError, model: type[BaseModel], retired: Mapping[tuple[str, ...], str] | None = None
) -> list[Problem]:
    """Translate Pydantic's errors into problems that name the remedy.

    Args:
        error: What validation raised.
        model: The model that was validated, to look up the keys that are known at a path.
        retired: What to say of keys that are known for what they were, by path.
    """
    found: list[_Found] = []
    for detail in error.errors(include_url=False):
        path, choice, declared = _place_of(model, detail["loc"])
        hint = (retired or {}).get(tuple(map(str, path)))
        found.append(_Found(path, choice, hint or _message(path, detail, model, declared)))
    return list(_without_choices(found))


@dataclass(frozen=True, slots=True)
class _Found:
    """One of Pydantic's errors.

    Attributes:
        path: Where, in the document.
        choice: The part of the path up to a value that may be one of several types; None where there is none.
        message: What is wrong; a `Mismatch` where the value is of another type.
    """

    path: Path
    choice: Path | None
    message: str | Mismatch


def _place_of(model: type[BaseModel], location: Sequence[PathPart]) -> tuple[Path, Path | None, Any]:
    """Return the path in the document, the part of it up to a value of several types, and the declared type.

    Pydantic's location also names which of the types an error is about, which is no part of the document.
    """
    path: Path = ()
    choice: Path | None = None
    annotation: Any = model
    for part in location:
        plain = _plain_type(annotation)
        if part == "[key]":
            continue
        if get_origin(plain) in _UNIONS:
            choice = path
            annotation = next((kind for kind in get_args(plain) if _name_of(kind) == part), None)
            continue
        path = (*path, part)
        annotation = _type_in(plain, part)
    return path, choice, annotation


def _plain_type(annotation: Any) -> Any:  # noqa: ANN401 - an annotation may be anything
    """Return an annotation without what is added to it, and without None."""
    if get_origin(annotation) is Annotated:
        return _plain_type(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _plain_type(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def _type_in(annotation: Any, part: PathPart) -> Any:  # noqa: ANN401 - an annotation may be anything
    """Return the type of what is at one part of a path; None where it is not known."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        field = fields.get(str(part))
        return Annotated[field.annotation, *field.metadata] if field and field.metadata else field and field.annotation
    if get_origin(annotation) in {dict, list, tuple}:
        return get_args(annotation)[1 if get_origin(annotation) is dict else 0]
    return None


def _name_of(annotation: Any) -> str | None:  # noqa: ANN401 - an annotation may be anything
    model = inner_model(annotation)
    return model.__name__ if model is not None else None


def _without_choices(found: Sequence[_Found]) -> Iterator[Problem]:
    """Yield one problem for a value that is of none of its types; those inside of it where it is nearly of one."""
    for one in found:
        if one.choice is None or one.path != one.choice:
            yield Problem(one.path, _text(one.message))
        elif not any(other.choice == one.choice != other.path for other in found):
            messages = [other.message for other in found if other.path == other.choice == one.choice]
            yield Problem(one.path, _text_of_choice(messages))


def _text_of_choice(messages: Sequence[str | Mismatch]) -> str:
    """Return the message on a value of none of several types: that of a rule, by which it is nearly of one, or all."""
    rules = dict.fromkeys(message for message in messages if isinstance(message, str))
    return ", or ".join(rules) or mismatch_text(message for message in messages if isinstance(message, Mismatch))


def _text(message: str | Mismatch) -> str:
    return message if isinstance(message, str) else mismatch_text([message])


def _message(path: Path, detail: Mapping[str, Any], model: type[BaseModel], declared: object) -> str | Mismatch:
    if detail["type"] == "extra_forbidden":
        holder, key = _model_at(model, path[:-1]), str(path[-1])
        section = _section_with(holder, key)
        return f"unknown key; write it under `{section}`" if section else unknown_key(key, known_keys(holder))
    if detail["type"] == "missing":
        return "is required and missing"
    return mismatch(path, detail, declared) or _rule(path, detail)


def text_of(detail: Mapping[str, Any]) -> str:
    """Return the text of one of Pydantic's errors: that of a rule as it is, or what the value should be."""
    path = tuple(detail["loc"])
    return _text(mismatch(path, detail) or _rule(path, detail))


def _rule(path: Path, detail: Mapping[str, Any]) -> str:
    return without_secret(str(detail["msg"]).removeprefix("Value error, "), path, detail["input"])


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the message for a key that is not known, with the nearest one that is."""
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"unknown key; did you mean `{near[0]}`?"
    return f"unknown key; known here: {', '.join(sorted(known))}"


def _section_with(model: type[BaseModel] | None, key: str) -> str | None:
    """Return the section of a model that has a key, None where none has: people write it a level too high."""
    for name, field in model.model_fields.items() if model else ():
        section = _plain_type(field.annotation)
        if isinstance(section, type) and issubclass(section, BaseModel) and key in known_keys(section):
            return field.alias or name
    return None


def known_keys(model: type[BaseModel] | None) -> list[str]:
    """Return the keys that a model takes, as people write them."""
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Follow a path through models and dictionaries of models; None where it leads out of them."""
    annotation: Any = model
    for part in path:
        annotation = _type_in(_plain_type(annotation), part)
    return inner_model(annotation)


def inner_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation may be anything
    """Return the model that an annotation holds, None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := inner_model(arg))), None)
