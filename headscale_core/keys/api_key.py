"""The rules of an API key and the Secret that holds it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headscale_core.client.errors import NotFound
from headscale_core.client.models import ApiKey, api_key_prefix
from headscale_core.errors import HeadscaleError
from headscale_core.keys.annotations import (
    DIGEST,
    EXPIRES_AT,
    FIRST_KEY,
    KEY_ID,
    OWNER,
    PENDING,
    SUPERSEDED,
    own_annotations,
    time_in,
    unique_expiration,
)
from headscale_core.keys.secrets import SecretStore, SecretTemplate, StoredSecret, read_if_owned
from headscale_core.values.durations import parse_duration

if TYPE_CHECKING:
    # gRPC comes with it, and whoever only looks at a Secret does without.
    from headscale_core.client.client import HeadscaleClient

DATA_KEY = "api-key"
_DEFAULT_TEMPLATE = SecretTemplate(DATA_KEY)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class SecretModified(HeadscaleError):
    """The Secret does not hold the key as it was written."""


@dataclass(frozen=True, slots=True)
class DesiredApiKey:
    """An API key as it is declared.

    Attributes:
        namespace: Namespace of its Secret.
        secret_name: Name of its Secret.
        expiration: How long a key is valid.
        rotation_buffer: A key with less than this left is replaced.
        overlap: How long a replaced key stays valid, for those who have not read the new one yet.
        dress: How the Secret looks.
        owner: What it is declared as; a Secret of another owner holds another key, whatever it looks like.
        first: Prefix of its first key, by which two are told apart that take each other's place under one name; None
            where it is not known, as of keys that earlier versions made.
    """

    namespace: str
    secret_name: str
    expiration: str
    rotation_buffer: str
    overlap: str = "0s"
    template: SecretTemplate = _DEFAULT_TEMPLATE
    owner: str | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A key without its text: that is in the Secret alone.

    Attributes:
        prefix: What names it in Headscale's lists.
        expires_at: When it ends.
        created_at: When it was made.
        retiring: When the keys that it replaced are to be revoked, by prefix.
    """

    prefix: str
    expires_at: datetime
    created_at: datetime
    superseded: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def revoke_at(self) -> datetime | None:
        """When the next of those that it replaced is to be revoked; None where nothing waits."""
        return min(self.superseded.values(), default=None)


def is_due(expires_at: datetime, rotation_buffer: str, now: datetime) -> bool:
    """Return whether a key has less than the rotation buffer left."""
    return expires_at - now < parse_duration(rotation_buffer)


def create(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, now: datetime) -> IssuedApiKey:
    """Make the key and its Secret; a key that the Secret holds is rotated, for `--replace` asks for nothing else."""
    return rotate(client, store, desired, now, is_first=True)


def rotate(
    client: HeadscaleClient,
    store: SecretStore,
    desired: DesiredApiKey,
    now: datetime,
    *,
    old: Collection[str] = (),
    is_first: bool = False,
) -> IssuedApiKey:
    """Make a new key, write it down, and revoke what it replaces once the overlap is over.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        old: Prefixes of keys that the state knows, to be revoked too where the Secret does not tell of them.
        is_first: Whether it is the first key of a resource.
    """
    where = desired.namespace, desired.secret_name
    before = store.read(*where)
    clean_up(client, before, now)
    expires_at = unique_expiration(now, parse_duration(desired.expiration))
    notes = own_annotations(before.annotations) if before else {}
    noted = {**desired.template.annotations, **notes, PENDING: expires_at.isoformat()}
    store.write(*where, StoredSecret(before.data if before else {}, noted, desired.template.labels))
    text = client.create_api_key(expires_at)
    overlap = parse_duration(desired.overlap)
    waiting = {prefix: time for prefix, time in (superseded_in(before) if before else {}).items() if time > now}
    superseded = {prefix: now + overlap for prefix in (*old, notes.get(KEY_ID)) if prefix} | waiting
    superseded.pop(api_key_prefix(text), None)
    if is_first:
        desired = replace(desired, first=api_key_prefix(text))
    try:
        store.write(*where, _secret_for(text, expires_at, now, desired, superseded))
    except Exception:
        # Whether it was written is not known before it is read; where that fails too, the note tells the next run.
        found = store.read(*where)
        if found is None or found.annotations.get(KEY_ID) != api_key_prefix(text):
            revoke(client, api_key_prefix(text))
        raise
    if superseded and not overlap:
        return finalize(client, store, desired, now)
    return IssuedApiKey(api_key_prefix(text), expires_at, now, superseded)


def finalize(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, now: datetime) -> IssuedApiKey:
    """Revoke what a killed run left and what has waited long enough, strike out the notes of it, and return the key.

    Raises:
        Edited: When the Secret does not hold a key as it was written; what was to be revoked is.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    if stored is not None and needs_cleanup(stored, now):
        clean_up(client, stored, now)
        waiting = {prefix: time for prefix, time in superseded_in(stored).items() if time > now}
        notes = own_annotations(stored.annotations, without={PENDING, SUPERSEDED}) | _superseded_annotation(waiting)
        template = desired.template
        stored = StoredSecret(stored.data, {**template.annotations, **notes}, template.labels)
        store.write(desired.namespace, desired.secret_name, stored)
    return _written_in(stored, desired.template.data_key)


def _written_in(stored: StoredSecret | None, data_key: str) -> IssuedApiKey:
    issued = issued_in(stored, data_key) if stored else None
    if issued is None:
        raise SecretModified("the Secret does not hold the key as it was written")
    return issued


def update_secret(store: SecretStore, desired: DesiredApiKey, data_key_before: str) -> None:
    """Make the Secret look as it is wished now, with the same key.

    Raises:
        Edited: When it does not hold the key any more.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    issued = _written_in(stored, data_key_before)
    assert stored is not None  # noqa: S101 - it holds a key
    text = stored.data[data_key_before]
    new = _secret_for(text, issued.expires_at, issued.created_at, desired, superseded_in(stored))
    store.write(desired.namespace, desired.secret_name, new)


def needs_cleanup(stored: StoredSecret, now: datetime) -> bool:
    """Return whether a run was killed in the middle, or a key that was replaced has waited long enough."""
    return PENDING in stored.annotations or any(time <= now for time in superseded_in(stored).values())


def superseded_in(stored: StoredSecret) -> dict[str, datetime]:
    """Return the keys that were replaced and not revoked yet, each with the time when it is to be."""
    found = {}
    for entry in filter(None, stored.annotations.get(SUPERSEDED, "").split(",")):
        prefix, _, time = entry.partition("@")
        found[prefix] = time_in({"at": time}, "at") or datetime.min.replace(tzinfo=UTC)
    return found


def clean_up(client: HeadscaleClient, stored: StoredSecret | None, now: datetime) -> None:
    """Revoke the key that a killed run had not written down, and those that were replaced long enough ago."""
    if stored is None or not needs_cleanup(stored, now):
        return
    notes, pending = stored.annotations, time_in(stored.annotations, PENDING)
    over = {prefix for prefix, time in superseded_in(stored).items() if time <= now}
    for key in client.list_api_keys():
        if key.prefix in over or (key.expiration == pending and key.prefix != notes.get(KEY_ID)):
            revoke(client, key.prefix)


def issued_in(stored: StoredSecret, data_key: str = DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as we wrote it."""
    text, expires_at = stored.data.get(data_key, ""), time_in(stored.annotations, EXPIRES_AT)
    created_at = time_in(stored.data, "created-at")
    if expires_at is None or created_at is None or stored.annotations.get(DIGEST) != _digest(text):
        return None
    return IssuedApiKey(api_key_prefix(text), expires_at, created_at, superseded_in(stored))


def current(client: HeadscaleClient, stored: StoredSecret, data_key: str = DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as we wrote it or Headscale does not know it."""
    return known(client.list_api_keys(), stored, data_key)


def known(keys: list[ApiKey], stored: StoredSecret, data_key: str = DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as we wrote it or is not among Headscale's."""
    issued = issued_in(stored, data_key)
    listed = issued and next((key for key in keys if key.prefix == issued.prefix), None)
    return issued if issued and listed and listed.expiration == issued.expires_at else None


def revoke(client: HeadscaleClient, prefix: str) -> None:
    """Delete a key; one that is gone is done."""
    with contextlib.suppress(NotFound):
        client.delete_api_key(prefix)


def delete(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, prefixes: Collection[str]) -> None:
    """Delete the key, those that it replaced, and its Secret unless that is another key's by now.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        prefixes: What the state knows of it: its prefix, and those of the keys that it replaced.
    """
    stored = read_if_owned(store, desired.namespace, desired.secret_name)
    value = stored is not None and belongs_to(stored, desired, prefixes)
    if stored is not None and value:
        clean_up(client, stored, _END_OF_TIME)
        prefixes = {*prefixes, stored.annotations.get(KEY_ID, "")} - {""}
    # Another key may have taken its place in the Secret; that one revokes it when its time has come.
    waiting = superseded_in(stored) if stored is not None and not value else {}
    for prefix in prefixes:
        if prefix not in waiting:
            revoke(client, prefix)
    if value:
        store.delete(desired.namespace, desired.secret_name)


def delete_secret(store: SecretStore, desired: DesiredApiKey, prefixes: Collection[str]) -> bool:
    """Delete the Secret alone, unless it is another key's by now; return whether it was this key's."""
    stored = read_if_owned(store, desired.namespace, desired.secret_name)
    if stored is None or not belongs_to(stored, desired, prefixes):
        return False
    store.delete(desired.namespace, desired.secret_name)
    return True


def belongs_to(stored: StoredSecret, desired: DesiredApiKey, prefixes: Collection[str]) -> bool:
    """Return whether a Secret is this key's: a run that was killed may have rotated it since."""
    owner = stored.annotations.get(OWNER)
    if not owner:
        return stored.annotations.get(KEY_ID) in prefixes
    return owner == desired.owner and stored.annotations.get(FIRST_KEY) == desired.first


def _secret_for(
    text: str, expires_at: datetime, created_at: datetime, desired: DesiredApiKey, superseded: Mapping[str, datetime]
) -> StoredSecret:
    template = desired.template
    data = {
        template.data_key: text,
        "expiration": _rfc3339(expires_at),
        "created-at": _rfc3339(created_at),
    }
    notes = {KEY_ID: api_key_prefix(text), EXPIRES_AT: expires_at.isoformat(), DIGEST: _digest(text)}
    notes |= {OWNER: desired.owner} if desired.owner else {}
    notes |= {FIRST_KEY: desired.first} if desired.first else {}
    return StoredSecret(data, {**template.annotations, **notes, **_superseded_annotation(superseded)}, template.labels)


def _superseded_annotation(superseded: Mapping[str, datetime]) -> dict[str, str]:
    entries = [f"{prefix}@{time.isoformat()}" for prefix, time in sorted(superseded.items())]
    return {SUPERSEDED: ",".join(entries)} if entries else {}


def _digest(text: str) -> str:
    """Return a key's hash, by which an edit is noticed; of 64 random characters it gives nothing away."""
    return hashlib.sha256(text.encode()).hexdigest()


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
