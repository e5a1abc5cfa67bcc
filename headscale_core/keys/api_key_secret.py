"""An API key as it is declared, as it was issued, and as its Secret holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headscale_core.client.models import ApiKey, api_key_prefix
from headscale_core.defaults import API_KEY_DATA_KEY
from headscale_core.keys.annotations import (
    DIGEST,
    EXPIRES_AT,
    FIRST_KEY,
    KEY_ID,
    OWNER,
    PENDING,
    SUPERSEDED,
    format_superseded,
    parse_superseded,
    time_in,
)
from headscale_core.keys.secrets import SecretTemplate, StoredSecret

_DEFAULT_TEMPLATE = SecretTemplate(API_KEY_DATA_KEY)


@dataclass(frozen=True, slots=True)
class DesiredApiKey:
    """An API key as it is declared.

    Attributes:
        namespace: Namespace of its Secret.
        secret_name: Name of its Secret.
        expiration: How long a key is valid.
        rotation_buffer: A key with less than this left is rotated.
        overlap: How long a replaced key stays valid, for clients that have not read the new one yet.
        template: The Secret's data key, and the labels and annotations that people want on it.
        owner: The name of its resource in Pulumi; a Secret of another owner holds another key. None for the sidecar's.
        first: Prefix of the resource's first key, which tells two apart that replace each other under one name; None
            where it is not known, as of keys that earlier versions created.
    """

    namespace: str
    secret_name: str
    expiration: timedelta
    rotation_buffer: timedelta
    overlap: timedelta = timedelta(0)
    template: SecretTemplate = _DEFAULT_TEMPLATE
    owner: str | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A key without its text, which is in the Secret alone.

    Attributes:
        prefix: What names it in Headscale's lists.
        expires_at: When it expires.
        created_at: When it was created.
        superseded: When each of the keys that it replaced is to be revoked, by prefix.
    """

    prefix: str
    expires_at: datetime
    created_at: datetime
    superseded: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def revoke_at(self) -> datetime | None:
        """When the next of those that it replaced is to be revoked; None where none waits."""
        return min(self.superseded.values(), default=None)


def is_due(expires_at: datetime, rotation_buffer: timedelta, now: datetime) -> bool:
    """Return whether a key has less than the rotation buffer left."""
    return expires_at - now < rotation_buffer


def secret_for(
    text: str, expires_at: datetime, created_at: datetime, desired: DesiredApiKey, superseded: Mapping[str, datetime]
) -> StoredSecret:
    """Return the Secret of a key.

    Args:
        text: The key.
        expires_at: When it expires.
        created_at: When it was created.
        desired: How it is declared.
        superseded: When each of the keys that it replaced is to be revoked, by prefix.
    """
    template = desired.template
    data = {
        template.data_key: text,
        "expiration": _rfc3339(expires_at),
        "created-at": _rfc3339(created_at),
    }
    annotations = {KEY_ID: api_key_prefix(text), EXPIRES_AT: expires_at.isoformat(), DIGEST: _digest(text)}
    annotations |= {OWNER: desired.owner} if desired.owner else {}
    annotations |= {FIRST_KEY: desired.first} if desired.first else {}
    annotations |= superseded_annotation(superseded)
    return StoredSecret(data, {**template.annotations, **annotations}, template.labels)


def superseded_annotation(superseded: Mapping[str, datetime]) -> dict[str, str]:
    """Return the annotation of the keys that wait to be revoked, nothing where none does."""
    return {SUPERSEDED: format_superseded(superseded)} if superseded else {}


def superseded_in(stored: StoredSecret) -> dict[str, datetime]:
    """Return the keys that were replaced and not revoked yet, each with the time when it is to be."""
    return parse_superseded(stored.annotations)


def needs_cleanup(stored: StoredSecret, now: datetime) -> bool:
    """Return whether a run was interrupted, or a key that was replaced is to be revoked now."""
    return PENDING in stored.annotations or any(time <= now for time in superseded_in(stored).values())


def issued_in(stored: StoredSecret, data_key: str = API_KEY_DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as it was written."""
    text, expires_at = stored.data.get(data_key, ""), time_in(stored.annotations, EXPIRES_AT)
    created_at = time_in(stored.data, "created-at")
    if expires_at is None or created_at is None or stored.annotations.get(DIGEST) != _digest(text):
        return None
    return IssuedApiKey(api_key_prefix(text), expires_at, created_at, superseded_in(stored))


def known(keys: list[ApiKey], stored: StoredSecret, data_key: str = API_KEY_DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as it was written or is not among Headscale's."""
    issued = issued_in(stored, data_key)
    listed = issued and next((key for key in keys if key.prefix == issued.prefix), None)
    return issued if issued and listed and listed.expiration == issued.expires_at else None


def belongs_to(stored: StoredSecret, desired: DesiredApiKey, prefixes: Collection[str]) -> bool:
    """Return whether a Secret is this key's.

    Args:
        stored: The Secret.
        desired: The key.
        prefixes: What the state knows of it. An interrupted run may have rotated it since, so the owner counts first.
    """
    owner = stored.annotations.get(OWNER)
    if not owner:
        return stored.annotations.get(KEY_ID) in prefixes
    return owner == desired.owner and stored.annotations.get(FIRST_KEY) == desired.first


def _digest(text: str) -> str:
    """Return a key's hash, by which an edit is noticed; of 64 random characters it gives nothing away."""
    return hashlib.sha256(text.encode()).hexdigest()


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
