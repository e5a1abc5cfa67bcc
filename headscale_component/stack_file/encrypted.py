"""Encrypted values: where they may be, and what they are in a program.

Pulumi decrypts a structure as a whole, and reports only that something in it was encrypted
(https://www.pulumi.com/docs/iac/concepts/config/). Where it was is in the stack file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headscale_component.spec.config.rules import SECRETS
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.instances import ROOT
from headscale_component.spec.model import EncryptedValue

Path = tuple[PathPart, ...]
Seal = Callable[[str], object]

SECRET_PATHS: tuple[tuple[str, ...], ...] = (
    *(("config", *path) for path in SECRETS),
    ("connection", "apiKey"),
    ("connection", "api_key"),
    ("connection", "kubeconfig"),
)
"""Where an instance takes an encrypted value: it reaches the cluster in a Secret, or not at all."""

_BY_REFERENCE = {("files", "inline"), ("pod", "env")}
_VALUES_BY_REFERENCE = {
    ("config", "oidc", "client_id"),
    *(("config", "database", "postgres", key) for key in ("host", "port", "name", "user")),
}


class OtherDocumentError(Exception):
    """The configuration of a program is not what is in the stack file."""


def hide_encrypted(value: Any) -> Any:  # noqa: ANN401 - any YAML
    """Return a tree with an `EncryptedValue` for each `secure:` value, which only Pulumi can decrypt."""
    if isinstance(value, Mapping):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return EncryptedValue()
        return {key: hide_encrypted(item) for key, item in value.items()}
    return [hide_encrypted(item) for item in value] if isinstance(value, list) else value


def mark_encrypted(written: Any, decrypted: Any, seal: Seal, path: Path = ()) -> Any:  # noqa: ANN401 - any YAML
    """Return decrypted instances, with each value that was encrypted as a secret again.

    Args:
        written: The instances as the stack file has them, with an `EncryptedValue` for each encrypted one.
        decrypted: The same as the program is given it.
        seal: Returns a secret with a text.
        path: Where both are, below `headscale:instances`.

    Returns:
        The instances. Where an encrypted value cannot be, the `EncryptedValue` stays, so that it is never shown.

    Raises:
        OtherDocumentError: When they differ in more than the encrypted values.
    """
    if isinstance(written, EncryptedValue):
        return seal(decrypted) if may_be_encrypted(path) and isinstance(decrypted, str) else written
    if isinstance(written, dict) and isinstance(decrypted, dict) and written.keys() == decrypted.keys():
        return {key: mark_encrypted(written[key], value, seal, (*path, key)) for key, value in decrypted.items()}
    if isinstance(written, list) and isinstance(decrypted, list) and len(written) == len(decrypted):
        pairs = enumerate(zip(written, decrypted, strict=True))
        return [mark_encrypted(one, other, seal, (*path, index)) for index, (one, other) in pairs]
    if written != decrypted or type(written) is not type(decrypted):
        raise OtherDocumentError
    return decrypted


def seal_secret_paths(document: Any, seal: Seal) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return decrypted instances with each text at a secret's path as a secret: where no file says what was encrypted.

    Args:
        document: The value of `headscale:instances`, decrypted; what is no mapping is returned as it is.
        seal: Returns a secret with a text.
    """
    if not isinstance(document, Mapping):
        return document
    return {name: _mark(instance, SECRET_PATHS, seal) for name, instance in document.items()}


def _mark(tree: Any, paths: tuple[tuple[str, ...], ...], seal: Seal) -> Any:  # noqa: ANN401 - whatever a person wrote
    if not isinstance(tree, Mapping):
        return tree
    here = {path[0] for path in paths if len(path) == 1}
    below = {key: tuple(path[1:] for path in paths if path[0] == key and len(path) > 1) for key in tree}
    return {
        key: seal(value) if key in here and isinstance(value, str) else _mark(value, below[key], seal)
        for key, value in tree.items()
    }


def may_be_encrypted(path: Path) -> bool:
    """Return whether an encrypted value can be at a path, which begins with the instance's name."""
    return path[1:] in SECRET_PATHS


def misplaced(value: object, path: Path = ()) -> Iterator[Problem]:
    """Yield each encrypted value that is where none can be."""
    if isinstance(value, EncryptedValue):
        if not may_be_encrypted(path):
            yield Problem((ROOT, *path), _refusal(path))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from misplaced(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from misplaced(item, (*path, index))


def _refusal(path: Path) -> str:
    if len(path) < 2:  # noqa: PLR2004 - the whole, or an instance
        return "is encrypted as a whole, and would be in clear in the cluster; encrypt the secrets in it alone"
    reference = {(part, path[-1]) for part in path[1:2]} | {tuple(path[1:3])}
    may_refer = reference & _BY_REFERENCE or path[1:] in _VALUES_BY_REFERENCE
    instead = " or as `{secretKeyRef: {name: SECRET, key: KEY}}`" if may_refer else ""
    if path[1:2] == ("files",):
        instead = f"{instead} in place of `inline`"
    why = "a secret is not possible here: it would be in clear in the cluster"
    return f"is encrypted, and {why}; write it in clear{instead}"
