"""The rules of a preauth key and the Secret that holds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headscale_api import HeadscaleClient, PreAuthKey
from headscale_api.durations import parse_duration
from headscale_api.stored_keys.marks import EXPIRES_AT, KEY_ID, PENDING, SPEC, TAGS, distinct_expiration, time_of
from headscale_api.stored_keys.store import SecretStore, StoredSecret

DATA_KEY = "key"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A preauth key as it is declared."""

    namespace: str
    secret_name: str
    user_id: str | None
    expiration: str
    reusable: bool
    ephemeral: bool
    tags: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """All that makes it another key when it changes."""
        return json.dumps([self.user_id, self.expiration, self.reusable, self.ephemeral, sorted(self.tags)])


@dataclass(frozen=True, slots=True)
class Held:
    """A key and its text, which is shown nowhere."""

    key: PreAuthKey
    expires_at: datetime


def create(
    client: HeadscaleClient, store: SecretStore, wanted: Wanted, now: datetime, *, held: Sequence[str] = ()
) -> Held:
    """Make the key and its Secret, or finish what a run that was killed began.

    Args:
        client: The Headscale.
        store: The Secrets.
        wanted: The key.
        now: The time.
        held: Ids of keys that the state knows already, which are therefore not a killed run's.

    Raises:
        ForeignSecret: When the Secret is somebody else's; nothing was changed then.
    """
    before = store.read(wanted.namespace, wanted.secret_name)
    keys = client.list_pre_auth_keys() if before else []
    if before:
        finished = _finished(before, keys, wanted, now)
        if finished and str(finished.key.id) not in held:
            return finished
        _remove_pending(client, before, keys)
    return _make(client, store, wanted, now, before)


def _make(
    client: HeadscaleClient, store: SecretStore, wanted: Wanted, now: datetime, before: StoredSecret | None
) -> Held:
    """Note the key's end, make it, write it down; what cannot be written down is deleted again."""
    expires_at = distinct_expiration(now, parse_duration(wanted.expiration))
    noted = StoredSecret(
        before.data if before else {}, {**(before.annotations if before else {}), PENDING: expires_at.isoformat()}
    )
    store.write(wanted.namespace, wanted.secret_name, noted)
    try:
        key = client.create_pre_auth_key(
            user_id=int(wanted.user_id) if wanted.user_id else None,
            expiration=expires_at,
            reusable=wanted.reusable,
            ephemeral=wanted.ephemeral,
            tags=wanted.tags,
        )
    except Exception:
        _undo(store, wanted, before)
        raise
    try:
        store.write(wanted.namespace, wanted.secret_name, _holding(key, wanted, expires_at))
    except Exception:
        client.delete_pre_auth_key(key.id)
        raise
    return Held(key, expires_at)


def _holding(key: PreAuthKey, wanted: Wanted, expires_at: datetime) -> StoredSecret:
    annotations = {
        KEY_ID: str(key.id),
        EXPIRES_AT: expires_at.isoformat(),
        SPEC: wanted.fingerprint,
        TAGS: ",".join(wanted.tags),
    }
    return StoredSecret({DATA_KEY: key.key}, annotations)


def _finished(before: StoredSecret, keys: Sequence[PreAuthKey], wanted: Wanted, now: datetime) -> Held | None:
    """Return the key that the Secret holds, where it is this very one and can still be used."""
    annotations = before.annotations
    expires_at = time_of(annotations, EXPIRES_AT)
    if not before.data.get(DATA_KEY) or annotations.get(SPEC) != wanted.fingerprint or expires_at is None:
        return None
    for key in keys:
        same = str(key.id) == annotations.get(KEY_ID) and key.expiration == expires_at
        if same and expires_at > now and (key.reusable or not key.used):
            return Held(_with_text(key, before.data[DATA_KEY]), expires_at)
    return None


def _with_text(key: PreAuthKey, text: str) -> PreAuthKey:
    return PreAuthKey(
        key.id,
        text,
        key.user,
        key.reusable,
        key.ephemeral,
        key.used,
        key.expiration,
        key.created_at,
        key.tags,
    )


def _remove_pending(client: HeadscaleClient, before: StoredSecret, keys: Sequence[PreAuthKey]) -> None:
    """Delete the key that a killed run made and did not write down."""
    pending = time_of(before.annotations, PENDING)
    for key in keys:
        if pending is not None and key.expiration == pending:
            client.delete_pre_auth_key(key.id)


def _undo(store: SecretStore, wanted: Wanted, before: StoredSecret | None) -> None:
    """Leave the Secret as it was, or none."""
    if before is None:
        store.delete(wanted.namespace, wanted.secret_name)
    else:
        store.write(wanted.namespace, wanted.secret_name, before)


def delete(client: HeadscaleClient, store: SecretStore, key_id: str, namespace: str, secret_name: str) -> None:
    """Delete the key, and its Secret unless that holds another key by now; what is gone is done."""
    client.delete_pre_auth_key(int(key_id))
    delete_secret(store, key_id, namespace, secret_name)


def delete_secret(store: SecretStore, key_id: str, namespace: str, secret_name: str) -> None:
    """Delete the Secret if it holds this key: a replacement has written its own over it before the old one goes."""
    found = store.read(namespace, secret_name)
    if found is not None and found.annotations.get(KEY_ID) == key_id:
        store.delete(namespace, secret_name)
