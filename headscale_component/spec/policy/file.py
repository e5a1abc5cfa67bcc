"""A policy in a HuJSON file, read as Headscale reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headscale_component.spec.errors import known_keys
from headscale_component.spec.model import SpecModel
from headscale_component.spec.policy.document import NEWER_SECTIONS, Document
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

NEVER_NULL = frozenset({"proto", "checkPeriod", "acceptEnv", *NEWER_SECTIONS})
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
        return Path(file).read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not in UTF-8, from byte {error.start} on; save it as UTF-8") from None


def document_in(file: str) -> Document:
    """Return the policy that a file holds.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or no object.
    """
    text = text_in(file)
    document = hujson.parse(text) if text else None
    if document is None:
        return {}  # an empty file, and `null`, say nothing, which Headscale takes
    if not isinstance(document, dict):
        raise ValueError("holds no policy: write an object, `{...}`")  # noqa: TRY004 - the file's value is wrong
    sections = _normalized_keys(document, PolicySpec)
    return {name: _normalized_section(name, section) for name, section in sections.items()}


def _normalized_section(name: str, section: Any) -> Any:  # noqa: ANN401 - parts of a document
    if name == "autoApprovers" and isinstance(section, dict):
        return _normalized_keys(section, AutoApproversSpec)
    if name in _RULES and isinstance(section, list):
        return [_normalized_keys(rule, _RULES[name]) if isinstance(rule, dict) else rule for rule in section]
    return section


def _normalized_keys(keys: Document, model: type[SpecModel]) -> Document:
    """Return an object as Headscale reads it, and without what is null, but where it does not read null.

    It minds no capitals, hyphens and underscores (`ACLs`, `tag_owners`):
    https://pkg.go.dev/github.com/go-json-experiment/json#MatchCaseInsensitiveNames.

    Raises:
        ValueError: When two keys are one to Headscale.
    """
    known = {_folded(name): name for name in known_keys(model) if name not in OURS}
    found: Document = {}
    written: dict[str, str] = {}
    for key, value in keys.items():
        name = known.get(_folded(key), key)
        if name in written:
            raise ValueError(f"has `{written[name]}` and `{key}` in one object, which are one key; keep one of them")
        written[name] = key
        if value is not None or name not in known.values() or name in NEVER_NULL:
            found[name] = value
    return found


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")
