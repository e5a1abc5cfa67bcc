"""All problems of a specification at once, each with its path, the rule, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

PathPart = str | int

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
    found = []
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        hint = (retired or {}).get(tuple(map(str, path)))
        found.append(Problem(path, hint or _message(detail["type"], detail, model)))
    return found


def _message(kind: str, detail: Mapping[str, Any], model: type[BaseModel]) -> str:
    path = tuple(detail["loc"])
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), known_keys(_model_at(model, path[:-1])))
    if kind == "missing":
        return "is required and missing"
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


def _model_at(model: type[BaseModel] | None, path: Sequence[PathPart]) -> type[BaseModel] | None:
    """Follow a path through models and dictionaries of models; None where it leads out of them."""
    for part in path:
        if model is None:
            return None
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if str(part) in fields:
            inner = inner_model(fields[str(part)].annotation)
            model = inner or model
    return model


def inner_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation may be anything
    """Return the model that an annotation holds, None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := inner_model(arg))), None)
