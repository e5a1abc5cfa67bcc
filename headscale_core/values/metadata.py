"""Labels and annotations of Kubernetes' objects: the syntax of their names and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

V = TypeVar("V")

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
QUALIFIED_NAME = rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME_PART}"
LABEL_VALUE = rf"({_NAME_PART})?"

MAX_ANNOTATIONS_BYTES = 256 * 1024
"""Names and values together:
https://github.com/kubernetes/kubernetes/blob/v1.36.0/staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go."""


def checked_labels(values: Mapping[str, str]) -> Mapping[str, str]:
    """Check labels.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
    """
    for name, value in values.items():
        if not re.fullmatch(QUALIFIED_NAME, name):
            raise ValueError(
                f"`{name}: {value}` is no label: its name has at most 63 letters, digits, `-`, `_` and `.`, begins and "
                "ends with a letter or digit, and may have a domain and `/` before it, as `example.com/team`"
            )
        if not re.fullmatch(LABEL_VALUE, value):
            raise ValueError(
                f"`{name}: {value}` is no label: its value has at most 63 letters, digits, `-`, `_` and `.`, and "
                "begins and ends with a letter or digit, as `team: network`"
            )
    return values


def checked_annotations(values: Mapping[str, V]) -> Mapping[str, V]:
    """Check annotations: the syntax of their names in small letters, and how much they are together.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set.
    """
    for name in values:
        if not re.fullmatch(QUALIFIED_NAME, name.lower()):
            raise ValueError(
                f"`{name}` is no name of an annotation: at most 63 letters, digits, `-`, `_` and `.`, beginning and "
                "ending with a letter or digit, after a domain and `/` if need be, as `example.com/restarted`"
            )
    texts = [text for pair in values.items() for text in pair if isinstance(text, str)]
    total = sum(len(text.encode(errors="replace")) for text in texts)
    if total > MAX_ANNOTATIONS_BYTES:
        raise ValueError(f"have {total} bytes together; Kubernetes takes {MAX_ANNOTATIONS_BYTES}; write less")
    return values
