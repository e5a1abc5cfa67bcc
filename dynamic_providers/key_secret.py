"""The properties of a key's resource that both kinds of keys have: its Secret, and durations.

In the state durations are text as people wrote it; `duration_of` is where it becomes a `timedelta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from pulumi.output import Unknown

from dynamic_providers.provider import Props, Rule, changed
from headscale_core.keys.secrets import SecretTemplate
from headscale_core.values import validators
from headscale_core.values.durations import is_same_duration, parse_duration

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


class KeyInputs(TypedDict, total=False):
    """The inputs in the state that both kinds of keys have; one that is not given is absent or None.

    Attributes:
        owner: The resource's name in Pulumi.
        database: Identifies the database that the key is in.
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        secret_key: Under which name the key is in it, where that is not the default.
        secret_labels: Labels of the Secret besides our own.
        secret_annotations: Annotations of the Secret besides our own.
        expiration: How long the key is valid, a duration as text.
    """

    owner: str | None
    database: str | None
    namespace: str
    secret_name: str
    secret_key: str | None
    secret_labels: dict[str, str] | None
    secret_annotations: dict[str, str] | None
    expiration: str


def duration_of(value: object) -> timedelta | None:
    """Return the time of a duration in the state, None where it is not given, or not known in a preview."""
    return None if value is None or isinstance(value, Unknown) else parse_duration(str(value))


def changed_key_fields(names: tuple[str, ...], olds: Props, news: Props) -> list[str]:
    """Return the declared fields of a key that differ; durations are compared by time, not by notation."""
    return [name for name in changed(names, olds, news) if name not in _DURATIONS or _is_another_time(name, olds, news)]


def _is_another_time(name: str, olds: Props, news: Props) -> bool:
    # None is none at all.
    return not is_same_duration(str(olds.get(name) or "0s"), str(news.get(name) or "0s"))


def secret_inputs(
    secret_key: str, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None, *, default_key: str
) -> dict[str, Any]:
    """Return the inputs of the Secret's template, None for defaults: the state is written whole at every step."""
    return {
        "secret_key": secret_key if secret_key != default_key else None,
        "secret_labels": dict(labels or {}) or None,
        "secret_annotations": dict(annotations or {}) or None,
    }


def secret_template_of(props: KeyInputs, *, default_key: str) -> SecretTemplate:
    """Return the template of the Secret."""
    return SecretTemplate(
        props.get("secret_key") or default_key,
        props.get("secret_labels") or {},
        props.get("secret_annotations") or {},
    )
