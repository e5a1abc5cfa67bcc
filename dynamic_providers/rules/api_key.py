"""The rules of an API key and the Secret that holds it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime

from dynamic_providers.rules.key_marks import EXPIRES_AT, KEY_ID, PENDING, distinct_expiration, time_of
from dynamic_providers.secret_store import SecretStore, StoredSecret
from headscale_api import ApiKey, HeadscaleClient, NotFound, api_key_prefix
from headscale_api.durations import parse_duration


@dataclass(frozen=True, slots=True)
class Wanted:
    """An API key as it is declared."""

    namespace: str
    secret_name: str
    expiration: str
    rotation_buffer: str


@dataclass(frozen=True, slots=True)
class Held:
    """A key without its text: that is in the Secret alone."""

    prefix: str
    expires_at: datetime
    created_at: datetime


def is_due(expires_at: datetime, rotation_buffer: str, now: datetime) -> bool:
    """Return whether a key has less than the rotation buffer left."""
    return expires_at - now < parse_duration(rotation_buffer)


def create(client: HeadscaleClient, store: SecretStore, wanted: Wanted, now: datetime) -> Held:
    """Make the key and its Secret, or take over what a run that was killed had finished."""
    before = store.read(wanted.namespace, wanted.secret_name)
    if before is not None:
        kept = current(client, before)
        if kept is not None and not is_due(kept.expires_at, wanted.rotation_buffer, now):
            return kept
    return rotate(client, store, wanted, now, old=None)


def rotate(client: HeadscaleClient, store: SecretStore, wanted: Wanted, now: datetime, *, old: str | None) -> Held:
    """Make a new key, write it down, and only then revoke what it replaces.

    Args:
        client: The Headscale.
        store: The Secrets.
        wanted: The key.
        now: The time.
        old: Prefix of the key that the state knows, to be revoked too if the Secret holds another one.
    """
    before = store.read(wanted.namespace, wanted.secret_name)
    _remove_pending(client, before)
    expires_at = distinct_expiration(now, parse_duration(wanted.expiration))
    data = before.data if before else {}
    notes = dict(before.annotations) if before else {}
    store.write(wanted.namespace, wanted.secret_name, StoredSecret(data, {**notes, PENDING: expires_at.isoformat()}))
    text = client.create_api_key(expires_at)
    try:
        store.write(wanted.namespace, wanted.secret_name, _holding(text, expires_at, now))
    except Exception:
        revoke(client, api_key_prefix(text))
        raise
    for prefix in {old, notes.get(KEY_ID)} - {None, api_key_prefix(text)}:
        revoke(client, str(prefix))
    return Held(api_key_prefix(text), expires_at, now)


def current(client: HeadscaleClient, stored: StoredSecret) -> Held | None:
    """Return the key that a Secret holds, None where Headscale does not know it or the Secret is not as we wrote it."""
    text, expires_at = stored.data.get("api-key", ""), time_of(stored.annotations, EXPIRES_AT)
    created_at = time_of(stored.data, "created-at")
    prefix = api_key_prefix(text)
    if not text or expires_at is None or created_at is None or prefix != stored.annotations.get(KEY_ID):
        return None
    known = find(client, prefix)
    if known is None or known.expiration != expires_at:
        return None
    return Held(prefix, expires_at, created_at)


def find(client: HeadscaleClient, prefix: str) -> ApiKey | None:
    """Return the key of a prefix, None where it is gone."""
    return next((key for key in client.list_api_keys() if key.prefix == prefix), None)


def revoke(client: HeadscaleClient, prefix: str) -> None:
    """Delete a key; one that is gone is done."""
    with contextlib.suppress(NotFound):
        client.delete_api_key(prefix)


def delete(client: HeadscaleClient, store: SecretStore, prefix: str, namespace: str, secret_name: str) -> None:
    """Delete the key and its Secret, unless that holds another key by now."""
    revoke(client, prefix)
    delete_secret(store, prefix, namespace, secret_name)


def delete_secret(store: SecretStore, prefix: str, namespace: str, secret_name: str) -> None:
    """Delete the Secret if it holds this key."""
    found = store.read(namespace, secret_name)
    if found is not None and found.annotations.get(KEY_ID) == prefix:
        store.delete(namespace, secret_name)


def _holding(text: str, expires_at: datetime, created_at: datetime) -> StoredSecret:
    data = {
        "api-key": text,
        "expiration": _rfc3339(expires_at),
        "created-at": _rfc3339(created_at),
    }
    return StoredSecret(data, {KEY_ID: api_key_prefix(text), EXPIRES_AT: expires_at.isoformat()})


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _remove_pending(client: HeadscaleClient, before: StoredSecret | None) -> None:
    """Delete the key that a killed run made and did not write down."""
    pending = time_of(before.annotations, PENDING) if before else None
    if pending is None:
        return
    for key in client.list_api_keys():
        if key.expiration == pending:
            revoke(client, key.prefix)
