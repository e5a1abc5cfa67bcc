"""The inputs by which a key's resource says where its Secret is and how it looks, alike for every kind of key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynamic_providers.provider import Props, Rule, changed
from headscale_core.keys.secrets import SecretTemplate
from headscale_core.values import validators
from headscale_core.values.durations import is_same_duration

PLACE = ("namespace", "secret_name")
SECRET_FIELDS = ("secret_key", "secret_labels", "secret_annotations")

_DURATIONS = ("expiration", "rotation_buffer", "overlap", "renew_before")

RULES: Mapping[str, Rule] = {
    "namespace": validators.dns_label,
    "secret_name": validators.dns_subdomain,
    "secret_key": validators.data_key,
    "secret_labels": validators.secret_labels,
    "secret_annotations": validators.secret_annotations,
}
"""What raises ValueError where an input is wrong."""


def changed_key_fields(names: tuple[str, ...], olds: Props, news: Props) -> list[str]:
    """Return the declared fields of a key that differ; a duration that is only written otherwise does not."""
    return [name for name in changed(names, olds, news) if name not in _DURATIONS or _is_another_time(name, olds, news)]


def _is_another_time(name: str, olds: Props, news: Props) -> bool:
    # None is none at all.
    return not is_same_duration(str(olds.get(name) or "0s"), str(news.get(name) or "0s"))


def looks(
    secret_key: str, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None, *, usual_key: str
) -> Props:
    """Return the inputs of how it looks; what is usual is left out, for the state is written whole at every step."""
    return {
        "secret_key": secret_key if secret_key != usual_key else None,
        "secret_labels": dict(labels or {}) or None,
        "secret_annotations": dict(annotations or {}) or None,
    }


def secret_template_of(props: Mapping[str, Any], *, usual_key: str) -> SecretTemplate:
    """Return how a Secret is to look."""
    return SecretTemplate(
        props.get("secret_key") or usual_key,
        props.get("secret_labels") or {},
        props.get("secret_annotations") or {},
    )
