"""A policy in a HuJSON file, read as Headscale reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from headscale_component.spec.errors import known_keys
from headscale_component.spec.model import SpecModel
from headscale_component.spec.policy.document import NEWER_SECTIONS, Document, Path
from headscale_component.spec.policy.model import OURS, PolicySpec
from headscale_component.spec.policy.sections import (
    AclSpec,
    AutoApproversSpec,
    GrantSpec,
    NodeAttributesSpec,
    PolicyTestSpec,
    SshSpec,
    SshTestSpec,
)
from headscale_core.values import hujson

_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
"""A text, or a comment, in which a quote begins none."""
_NEVER_NULL = frozenset({"proto", "checkPeriod", "acceptEnv", *NEWER_SECTIONS})
"""Keys that some version refuses also where they are null; elsewhere null is as if nothing was written."""
_RULES: dict[str, type[SpecModel]] = {
    "acls": AclSpec,
    "grants": GrantSpec,
    "ssh": SshSpec,
    "nodeAttrs": NodeAttributesSpec,
    "tests": PolicyTestSpec,
    "sshTests": SshTestSpec,
}


def text_in(file: str) -> str:
    """Return a file as it is, its line ends too.

    Raises:
        OSError: When it cannot be read.
        ValueError: When it is not in UTF-8.
    """
    try:
        return FilePath(file).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not in UTF-8, from byte {error.start} on; save it as UTF-8") from None


def parsed(file: str) -> Document:
    """Return the policy that a file holds as it was written, empty for an empty file and for `null`.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or no object.
    """
    text = text_in(file)
    document = hujson.parse(text) if text else None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ValueError("holds no policy: write an object, `{...}`")  # noqa: TRY004 - the file's value is wrong
    return document


def without_escapes(text: str) -> str:
    r"""Return HuJSON with the characters of its texts instead of escapes for them, comments and all else unchanged.

    Headscale reads some texts with their escapes: `"tag:\u00e9"` is another tag than `tag:é` to it
    (https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/policy/v2/types.go#L306).
    """
    return _TOKEN.sub(lambda token: _without_escapes(token[0]), text)


def _without_escapes(token: str) -> str:
    is_escaped = token.startswith('"') and "\\" in token
    return json.dumps(json.loads(token), ensure_ascii=False) if is_escaped else token


def document_in(file: str) -> Document:
    """Return the policy that a file holds, under Headscale's own names of sections and keys.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or no object, or two of its keys are one to Headscale.
    """
    return normalized(parsed(file))


def normalized(document: Document) -> Document:
    """Return a policy under Headscale's own names of sections and keys.

    Raises:
        ValueError: When two keys are one to Headscale.
    """
    sections = _normalized_keys(document, PolicySpec)
    return {name: _normalized_section(name, section) for name, section in sections.items()}


def known_objects(document: Document) -> Iterator[tuple[Path, Document, type[SpecModel]]]:
    """Yield each object of a policy whose keys are known, with its path and its model."""
    yield (), document, PolicySpec
    for section, value in document.items():
        name = name_of_key(section, PolicySpec)
        if name == "autoApprovers" and isinstance(value, dict):
            yield (section,), value, AutoApproversSpec
        for index, rule in enumerate(value if name in _RULES and isinstance(value, list) else ()):
            if isinstance(rule, dict):
                yield (section, index), rule, _RULES[name or ""]


def name_of_key(key: str, model: type[SpecModel]) -> str | None:
    """Return under which of Headscale's own names a key is known, None where it is not.

    Capitals, hyphens and underscores are ignored (`ACLs`, `tag_owners`):
    https://pkg.go.dev/github.com/go-json-experiment/json#MatchCaseInsensitiveNames.
    """
    return _names_by_key(model).get(_folded(key))


@cache
def _names_by_key(model: type[SpecModel]) -> dict[str, str]:
    return {_folded(name): name for name in known_keys(model) if name not in OURS}


def _normalized_section(name: str, section: Any) -> Any:  # noqa: ANN401 - parts of a document
    if name == "autoApprovers" and isinstance(section, dict):
        return _normalized_keys(section, AutoApproversSpec)
    if name in _RULES and isinstance(section, list):
        return [_normalized_keys(rule, _RULES[name]) if isinstance(rule, dict) else rule for rule in section]
    return section


def _normalized_keys(keys: Document, model: type[SpecModel]) -> Document:
    """Return an object under its own names, and without what is null, but where Headscale does not read null.

    Raises:
        ValueError: When two keys are one to Headscale.
    """
    found: Document = {}
    written: dict[str, str] = {}
    for key, value in keys.items():
        known = name_of_key(key, model)
        name = known or key
        if name in written:
            raise ValueError(f"has `{written[name]}` and `{key}` in one object, which are one key; keep one of them")
        written[name] = key
        if value is not None or known is None or name in _NEVER_NULL:
            found[name] = value
    return found


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")
