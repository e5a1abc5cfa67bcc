"""A policy as Headscale is to store it: a file, and the sections that the stack adds to it."""

from __future__ import annotations

import json
from typing import Any

from headscale_component.spec.policy.document import Document
from headscale_component.spec.policy.file import document_in, text_in, without_escapes
from headscale_component.spec.policy.model import OURS, PolicySpec

_OUR_FIELDS = {name for name, field in PolicySpec.model_fields.items() if (field.alias or name) in OURS}

_MERGED = ("tagOwners", "autoApprovers")


def policy_text(spec: PolicySpec) -> str:
    """Return the policy as Headscale is to store it; a file that nothing is added to keeps its comments.

    Characters stand in it as they are, without escapes, which Headscale does not read everywhere.
    """
    if spec.file and not added_sections(spec):
        return without_escapes(text_in(spec.file)) or "{}"
    return json.dumps(policy_document(spec), indent=2, ensure_ascii=False)


def added_sections(spec: PolicySpec) -> Document:
    """Return what stands in the stack itself, beside the file, under Headscale's own names.

    Args:
        spec: The policy, or its valid part.
    """
    return spec.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, exclude=_OUR_FIELDS, warnings=False)


def policy_document(spec: PolicySpec) -> Document:
    """Return the whole policy as Headscale reads it: the file, and what is added to it.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When it is no HuJSON, or a section stands in both places.
    """
    return merged_document(document_in(spec.file) if spec.file else {}, added_sections(spec))


def merged_document(of_file: Document, added: Document) -> Document:
    """Return a file's policy with the sections that are added to it.

    Raises:
        ValueError: When a section stands in both places that only may stand in one.
    """
    document = dict(of_file)
    for name, section in added.items():
        if name in document and name not in _MERGED:
            raise ValueError(f"has `{name}` already; keep one of them")
        document[name] = _merged(document.get(name), section)
    return document


def _merged(of_file: Any, added: Any) -> Any:  # noqa: ANN401 - parts of a document
    """Return both parts of a section: keys of both, and items of both where a key is in both."""
    if isinstance(of_file, dict) and isinstance(added, dict):
        return {key: _merged(of_file.get(key), added.get(key)) for key in {**of_file, **added}}
    if isinstance(of_file, list) and isinstance(added, list):
        return [*of_file, *(item for item in added if item not in of_file)]
    return of_file if added is None else added
