"""Names that Kubernetes takes for labels, annotations and environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, StrictStr

_PREFIX = r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
_QUALIFIED = re.compile(rf"{_PREFIX}[A-Za-z0-9]([-._A-Za-z0-9]{{0,61}}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[ -<>-~]+")
_MAX_ANNOTATION_BYTES = 256 * 1024


def _labels(labels: dict[str, str]) -> dict[str, str]:
    """Check labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set)."""
    for name, value in labels.items():
        if not _QUALIFIED.fullmatch(name) or not _LABEL_VALUE.fullmatch(value):
            raise ValueError(
                f"`{name}: {value}` is no label: letters, digits, `-`, `_` and `.`, at most 63, beginning and ending "
                "with a letter or digit, as `team: network`"
            )
    return labels


def _annotations(annotations: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check annotations (https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/)."""
    for name in annotations:
        if not _QUALIFIED.fullmatch(name):
            raise ValueError(
                f"`{name}` is no name of an annotation: letters, digits, `-`, `_` and `.`, at most 63, after a domain "
                "and `/` if need be, as `example.com/restarted`"
            )
    values = [value for value in annotations.values() if isinstance(value, str)]
    size = sum(len(text.encode()) for text in (*annotations, *values))
    if size > _MAX_ANNOTATION_BYTES:
        raise ValueError(f"have {size} bytes; Kubernetes has room for {_MAX_ANNOTATION_BYTES}")
    return annotations


def _variable(name: str) -> str:
    """Check the name of an environment variable: printable ASCII without `=`.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/.
    """
    if _VARIABLE.fullmatch(name):
        return name
    raise ValueError(f"`{name}` is no name of a variable: write printable letters without `=`, as `HTTPS_PROXY`")


Labels = Annotated[dict[str, StrictStr], AfterValidator(_labels)]
"""Labels of an object, or labels that it has to have."""

AnnotationNames = AfterValidator(_annotations)
"""Checks the names of annotations, and their size together."""

VariableName = Annotated[StrictStr, AfterValidator(_variable)]
"""Name of an environment variable."""
