"""The rules of an API key and the Secret that holds it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from headscale_api.durations import parse_duration
from headscale_api.errors import NotFound
from headscale_api.models import ApiKey, api_key_prefix
from headscale_api.stored_keys.marks import DIGEST, EXPIRES_AT, KEY_ID, PENDING, RETIRING, distinct_expiration, time_of
from headscale_api.stored_keys.store import SecretStore, StoredSecret

if TYPE_CHECKING:
    # gRPC comes with it, and whoever only looks at a Secret does without.
    from headscale_api.client import HeadscaleClient


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
    clean_up(client, before)
    expires_at = distinct_expiration(now, parse_duration(wanted.expiration))
    data = before.data if before else {}
    notes = dict(before.annotations) if before else {}
    store.write(wanted.namespace, wanted.secret_name, StoredSecret(data, {**notes, PENDING: expires_at.isoformat()}))
    text = client.create_api_key(expires_at)
    retiring = sorted({old, notes.get(KEY_ID)} - {None, api_key_prefix(text)}, key=str)
    try:
        store.write(wanted.namespace, wanted.secret_name, _holding(text, expires_at, now, retiring))
    except Exception:
        revoke(client, api_key_prefix(text))
        raise
    for prefix in retiring:
        revoke(client, str(prefix))
    if retiring:
        store.write(wanted.namespace, wanted.secret_name, _holding(text, expires_at, now, []))
    return Held(api_key_prefix(text), expires_at, now)


def finish(client: HeadscaleClient, store: SecretStore, wanted: Wanted) -> None:
    """Finish what a run that was killed left behind: revoke, and strike out the note of it."""
    stored = store.read(wanted.namespace, wanted.secret_name)
    if stored is None or not is_unfinished(stored):
        return
    clean_up(client, stored)
    kept = {mark: value for mark, value in stored.annotations.items() if mark not in {PENDING, RETIRING}}
    store.write(wanted.namespace, wanted.secret_name, StoredSecret(stored.data, kept))


def is_unfinished(stored: StoredSecret) -> bool:
    """Return whether a run was killed between making a key and revoking the one before."""
    return PENDING in stored.annotations or RETIRING in stored.annotations


def clean_up(client: HeadscaleClient, stored: StoredSecret | None) -> None:
    """Revoke what a run that was killed left: the key it had not written down, and the one it had replaced."""
    if stored is None or not is_unfinished(stored):
        return
    notes = stored.annotations
    pending, retiring = time_of(notes, PENDING), set(filter(None, notes.get(RETIRING, "").split(",")))
    for key in client.list_api_keys():
        if key.prefix in retiring or (key.expiration == pending and key.prefix != notes.get(KEY_ID)):
            revoke(client, key.prefix)


def as_written(stored: StoredSecret) -> Held | None:
    """Return the key that a Secret holds, None where it is not as we wrote it."""
    text, expires_at = stored.data.get("api-key", ""), time_of(stored.annotations, EXPIRES_AT)
    created_at = time_of(stored.data, "created-at")
    if expires_at is None or created_at is None or stored.annotations.get(DIGEST) != _digest(text):
        return None
    return Held(api_key_prefix(text), expires_at, created_at)


def current(client: HeadscaleClient, stored: StoredSecret) -> Held | None:
    """Return the key that a Secret holds, None where it is not as we wrote it or Headscale does not know it."""
    held = as_written(stored)
    known = find(client, held.prefix) if held else None
    return held if held and known and known.expiration == held.expires_at else None


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


def _holding(text: str, expires_at: datetime, created_at: datetime, retiring: Sequence[str | None]) -> StoredSecret:
    data = {
        "api-key": text,
        "expiration": _rfc3339(expires_at),
        "created-at": _rfc3339(created_at),
    }
    notes = {KEY_ID: api_key_prefix(text), EXPIRES_AT: expires_at.isoformat(), DIGEST: _digest(text)}
    return StoredSecret(data, {**notes, RETIRING: ",".join(map(str, retiring))} if retiring else notes)


def _digest(text: str) -> str:
    """Return a key's hash, by which an edit is noticed; of 64 random characters it gives nothing away."""
    return hashlib.sha256(text.encode()).hexdigest()


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
