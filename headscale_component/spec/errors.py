"""All problems of a specification at once, each with its path, the rule, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

PathPart = str | int
Path = tuple[PathPart, ...]

_UNIONS = (Union, UnionType)

_SECRET_KEYS = ("secret", "pass", "password", "api_key", "apikey", "kubeconfig", "token")


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
        """Return `path: message`, the path in the dotted form of `pulumi config --path`."""
        return f"{dotted(self.path)}: {self.message}"


class SpecError(Exception):
    """A specification that breaks rules; no ValueError, which Pydantic would wrap and so hide the paths.

    Attributes:
        problems: Every problem that was found, in the order of the document.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Sequence[PathPart]) -> str:
    """Return a path as `a.b[0].c`; a key that holds a dot is quoted, as `a["b.c"]`."""
    text = ""
    for part in path:
        if isinstance(part, int) and not isinstance(part, bool):
            text += f"[{part}]"
        elif "." in str(part):
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else str(part)
    return text


def problems_of(
    error: ValidationError, model: type[BaseModel], retired: Mapping[tuple[str, ...], str] | None = None
) -> list[Problem]:
    """Translate Pydantic's errors into problems that name the remedy.

    Args:
        error: What validation raised.
        model: The model that was validated, to look up the keys that are known at a path.
        retired: What to say of keys that are known for what they were, by path.
    """
    found: list[tuple[Path, Path | None, str]] = []
    for detail in error.errors(include_url=False):
        path, choice = _place_of(model, detail["loc"])
        hint = (retired or {}).get(tuple(map(str, path)))
        found.append((path, choice, hint or _message(path, detail, model)))
    return list(_without_choices(found))


def _place_of(model: type[BaseModel], location: Sequence[PathPart]) -> tuple[Path, Path | None]:
    """Return the path in the document, and the part of it up to a value that may be one of several types.

    Pydantic's location also names which of the types an error is about, which is no part of the document.
    """
    path: Path = ()
    choice: Path | None = None
    annotation: Any = model
    for part in location:
        annotation = _plain_type(annotation)
        if part == "[key]":
            continue
        if get_origin(annotation) in _UNIONS:
            choice = path
            annotation = next((kind for kind in get_args(annotation) if _name_of(kind) == part), None)
            continue
        path = (*path, part)
        annotation = _type_in(annotation, part)
    return path, choice


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
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return fields.get(str(part))
    if get_origin(annotation) in {dict, list, tuple}:
        return get_args(annotation)[1 if get_origin(annotation) is dict else 0]
    return None


def _name_of(annotation: Any) -> str | None:  # noqa: ANN401 - an annotation may be anything
    model = inner_model(annotation)
    return model.__name__ if model is not None else None


def _without_choices(found: Sequence[tuple[Path, Path | None, str]]) -> Iterator[Problem]:
    """Yield one problem for a value that is of none of its types; those inside of it where it is nearly of one."""
    for path, choice, message in found:
        if choice is None or path != choice:
            yield Problem(path, message)
        elif not any(other == choice and deeper != choice for deeper, other, _ in found):
            texts = dict.fromkeys(text for place, other, text in found if place == other == choice)
            yield Problem(path, ", or ".join(texts))


def _message(path: Path, detail: Mapping[str, Any], model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        return unknown_key(str(path[-1]), known_keys(_model_at(model, path[:-1])))
    if detail["type"] == "missing":
        return "is required and missing"
    if detail["type"] in {"model_type", "dict_type"}:
        return f"input should be a mapping{_shown(path, detail['input'])}"
    return text_of(detail)


def text_of(detail: Mapping[str, Any]) -> str:
    """Return the text of one of Pydantic's errors: ours as it is, its own with the value that is wrong."""
    text = str(detail["msg"])
    if detail["type"] == "value_error":
        return text.removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}{_shown(tuple(detail['loc']), detail['input'])}"


def _shown(path: Sequence[PathPart], value: object) -> str:
    """Return the offending value for the message, unless it is long, composite, or may be a secret."""
    secret = any(word in str(part).lower() for part in path for word in _SECRET_KEYS)
    if secret or not isinstance(value, str | int | float | bool | None):
        return ""
    text = repr(value)
    return f", not {text}" if len(text) <= 80 else ""  # noqa: PLR2004 - a line's length, arbitrary


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the message for a key that is not known, with the nearest one that is."""
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"unknown key; did you mean `{near[0]}`?"
    return f"unknown key; known here: {', '.join(sorted(known))}"


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
