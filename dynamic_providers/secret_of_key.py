"""The inputs by which a key's resource says where its Secret is and how it looks, alike for every kind of key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynamic_providers.provider import Props, Rule
from headscale_api import fields
from headscale_api.stored_keys.store import Dress

PLACE = ("namespace", "secret_name")
DRESS = ("secret_key", "secret_labels", "secret_annotations")

RULES: Mapping[str, Rule] = {
    "namespace": fields.dns_label,
    "secret_name": fields.dns_subdomain,
    "secret_key": fields.data_key,
    "secret_labels": fields.secret_labels,
    "secret_annotations": fields.secret_annotations,
}
"""What raises ValueError where an input is wrong."""


def looks(
    secret_key: str, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None, *, usual_key: str
) -> Props:
    """Return the inputs of how it looks; what is usual is left out, for the state is written whole at every step."""
    return {
        "secret_key": secret_key if secret_key != usual_key else None,
        "secret_labels": dict(labels or {}) or None,
        "secret_annotations": dict(annotations or {}) or None,
    }


def dress_of(props: Mapping[str, Any], *, usual_key: str) -> Dress:
    """Return how a Secret is to look."""
    return Dress(
        props.get("secret_key") or usual_key,
        props.get("secret_labels") or {},
        props.get("secret_annotations") or {},
    )
