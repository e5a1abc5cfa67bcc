"""The life of an API key and its Secret: create, rotate, revoke, delete."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headscale_core.client.errors import NotFound
from headscale_core.client.models import api_key_prefix
from headscale_core.defaults import API_KEY_DATA_KEY
from headscale_core.errors import HeadscaleError
from headscale_core.keys.annotations import KEY_ID, PENDING, SUPERSEDED, own_annotations, time_in, unique_expiration
from headscale_core.keys.api_key_secret import (
    DesiredApiKey,
    IssuedApiKey,
    belongs_to,
    issued_in,
    known,
    needs_cleanup,
    secret_for,
    superseded_annotation,
    superseded_in,
)
from headscale_core.keys.secrets import SecretStore, StoredSecret, read_if_owned

if TYPE_CHECKING:
    # It loads gRPC, which code that only looks at a Secret does not need.
    from headscale_core.client.client import HeadscaleClient

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class SecretModified(HeadscaleError):
    """The Secret does not hold the key as it was written."""


def create(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, now: datetime) -> IssuedApiKey:
    """Create the key and its Secret; a key that the Secret holds is rotated, for `--replace` asks for nothing else."""
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
    """Create a new key, store it, and revoke what it replaces once the overlap is over.

    A run may be killed between any two of the numbered steps; the next run finishes or undoes what it finds.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        old: Prefixes of keys in the state, to be revoked too where the Secret does not name them.
        is_first: Whether it is the first key of a resource.

    Raises:
        SecretNotOwned: When the Secret is not managed by this component; nothing was changed then.
        HeadscaleError: When a call to Headscale fails.
    """
    place = desired.namespace, desired.secret_name
    # 1. Revoke what an interrupted run left. Killed here: the Secret still has its old key, and names what is left.
    before = store.read(*place)
    clean_up(client, before, now)
    # 2. Write the new key's exact expiration into the Secret, which keeps the old key. Killed here: no key in
    #    Headscale has that expiration, and the next run removes the annotation.
    expires_at = unique_expiration(now, desired.expiration)
    annotations = own_annotations(before.annotations) if before else {}
    pending = {**desired.template.annotations, **annotations, PENDING: expires_at.isoformat()}
    store.write(*place, StoredSecret(before.data if before else {}, pending, desired.template.labels))
    # 3. Create the key. Killed here: its text is lost, and the next run revokes it, found by its expiration.
    text = client.create_api_key(expires_at)
    prefix = api_key_prefix(text)
    waiting = {older: time for older, time in (superseded_in(before) if before else {}).items() if time > now}
    superseded = {older: now + desired.overlap for older in (*old, annotations.get(KEY_ID)) if older} | waiting
    superseded.pop(prefix, None)
    if is_first:
        desired = replace(desired, first=prefix)
    # 4. Store the key, and with it which keys it replaces and when they are to be revoked. Killed here: the new key is
    #    in force, and the next run revokes the old ones when their time has come.
    try:
        store.write(*place, secret_for(text, expires_at, now, desired, superseded))
    except Exception:
        # Whether it was written is known only after a read; if that fails too, the next run finds `PENDING`.
        found = store.read(*place)
        if found is None or found.annotations.get(KEY_ID) != prefix:
            revoke(client, prefix)
        raise
    # 5. Without an overlap, revoke the old keys at once.
    if superseded and not desired.overlap:
        return finalize(client, store, desired, now)
    return IssuedApiKey(prefix, expires_at, now, superseded)


def finalize(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, now: datetime) -> IssuedApiKey:
    """Revoke what an interrupted run left and what was replaced long enough ago, and return the key.

    Raises:
        SecretModified: When the Secret does not hold a key as it was written; what was to be revoked is.
        SecretNotOwned: When the Secret is not managed by this component.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    if stored is not None and needs_cleanup(stored, now):
        # Revoke first, remove the annotations after that: a run that is killed in between revokes once more.
        clean_up(client, stored, now)
        waiting = {prefix: time for prefix, time in superseded_in(stored).items() if time > now}
        kept = own_annotations(stored.annotations, without={PENDING, SUPERSEDED}) | superseded_annotation(waiting)
        template = desired.template
        stored = StoredSecret(stored.data, {**template.annotations, **kept}, template.labels)
        store.write(desired.namespace, desired.secret_name, stored)
    return _require_issued(stored, desired.template.data_key)


def _require_issued(stored: StoredSecret | None, data_key: str) -> IssuedApiKey:
    issued = issued_in(stored, data_key) if stored else None
    if issued is None:
        raise SecretModified("the Secret does not hold the key as it was written")
    return issued


def update_secret(store: SecretStore, desired: DesiredApiKey, data_key_before: str) -> None:
    """Write the Secret by another template, with the same key.

    Raises:
        SecretModified: When it does not hold the key any more.
        SecretNotOwned: When it is not managed by this component.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    issued = _require_issued(stored, data_key_before)
    assert stored is not None  # noqa: S101 - it holds a key
    text = stored.data[data_key_before]
    new = secret_for(text, issued.expires_at, issued.created_at, desired, superseded_in(stored))
    store.write(desired.namespace, desired.secret_name, new)


def clean_up(client: HeadscaleClient, stored: StoredSecret | None, now: datetime) -> None:
    """Revoke the key that an interrupted run did not store, and those that were replaced long enough ago."""
    if stored is None or not needs_cleanup(stored, now):
        return
    pending = time_in(stored.annotations, PENDING)
    over = {prefix for prefix, time in superseded_in(stored).items() if time <= now}
    for key in client.list_api_keys():
        if key.prefix in over or (key.expiration == pending and key.prefix != stored.annotations.get(KEY_ID)):
            revoke(client, key.prefix)


def current(client: HeadscaleClient, stored: StoredSecret, data_key: str = API_KEY_DATA_KEY) -> IssuedApiKey | None:
    """Return the key that a Secret holds, None where it is not as it was written or Headscale does not know it."""
    return known(client.list_api_keys(), stored, data_key)


def revoke(client: HeadscaleClient, prefix: str) -> None:
    """Delete a key; one that is gone is done."""
    with contextlib.suppress(NotFound):
        client.delete_api_key(prefix)


def delete(client: HeadscaleClient, store: SecretStore, desired: DesiredApiKey, prefixes: Collection[str]) -> None:
    """Delete the key, those that it replaced, and its Secret unless another key is in it by now.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        prefixes: What the state knows of it: its prefix, and those of the keys that it replaced.
    """
    stored = read_if_owned(store, desired.namespace, desired.secret_name)
    is_owner = stored is not None and belongs_to(stored, desired, prefixes)
    if stored is not None and is_owner:
        clean_up(client, stored, _END_OF_TIME)
        prefixes = {*prefixes, stored.annotations.get(KEY_ID, "")} - {""}
    # Another key may have replaced it in the Secret; that one revokes it when its time has come.
    waiting = superseded_in(stored) if stored is not None and not is_owner else {}
    for prefix in prefixes:
        if prefix not in waiting:
            revoke(client, prefix)
    if is_owner:
        store.delete(desired.namespace, desired.secret_name)


def delete_secret(store: SecretStore, desired: DesiredApiKey, prefixes: Collection[str]) -> bool:
    """Delete the Secret alone, unless another key is in it by now; return whether it was this key's."""
    stored = read_if_owned(store, desired.namespace, desired.secret_name)
    if stored is None or not belongs_to(stored, desired, prefixes):
        return False
    store.delete(desired.namespace, desired.secret_name)
    return True
