"""The life of a preauth key and its Secret: create, compare, restore, delete."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headscale_core import ApiError, HeadscaleClient, NotFound, PreAuthKey
from headscale_core.keys.annotations import (
    KEY_ID,
    PENDING,
    RECREATED_FROM,
    own_annotations,
    time_in,
    unique_expiration,
)
from headscale_core.keys.pre_auth_key_secret import (
    DesiredPreAuthKey,
    IssuedPreAuthKey,
    Keys,
    belongs_to,
    by_id,
    issued_as_desired,
    issued_in,
    secret_for,
)
from headscale_core.keys.renewal import invalid_reason
from headscale_core.keys.secrets import SecretStore, StoredSecret, read_if_owned
from headscale_core.users.lifecycle import UserError


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """How a key was found.

    Attributes:
        issued: The key; another one than the state knows where it was recreated since.
        invalid_reason: Why it is invalid, one of the reasons in `renewal`; None where it is valid.
        secret_in_sync: Whether the Secret holds it and matches its template.
    """

    issued: IssuedPreAuthKey
    invalid_reason: str | None
    secret_in_sync: bool


def create(
    client: HeadscaleClient,
    store: SecretStore,
    desired: DesiredPreAuthKey,
    now: datetime,
    *,
    in_state: Sequence[str] = (),
) -> IssuedPreAuthKey:
    """Create the key and its Secret, and revoke the key that was in the Secret or that an interrupted run created.

    It never keeps the key that it finds: the engine calls it for `pulumi up --replace` and for a tainted resource, by
    which a key is to be rotated, exactly as it does after a run that was killed before the state was written
    (https://www.pulumi.com/docs/iac/cli/commands/pulumi_up/).

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        in_state: Ids of keys in the state, which the engine deletes once everything that uses them is updated.

    Raises:
        SecretNotOwned: When the Secret is not managed by this component; nothing was changed then.
        UserError: When the owner does not exist; nothing was changed then.
        HeadscaleError: When a call to Headscale fails.
    """
    before = store.read(desired.namespace, desired.secret_name)
    if before is None:
        return issue(client, store, desired, now, None)
    keys = by_id(client.list_pre_auth_keys())
    remove_pending(client, before, keys.values())
    replaced = issued_in(before)
    if replaced is None or replaced.key_id in in_state or not replaced.find_in(keys):
        return issue(client, store, desired, now, before)
    issued = issue(client, store, desired, now, before, replaced=replaced)
    client.delete_pre_auth_key(int(replaced.key_id))
    store.write(desired.namespace, desired.secret_name, secret_for(issued, desired))
    return issued


def issue(
    client: HeadscaleClient,
    store: SecretStore,
    desired: DesiredPreAuthKey,
    now: datetime,
    before: StoredSecret | None,
    *,
    lifetime: timedelta | None = None,
    recreated_from: str = "",
    replaced: IssuedPreAuthKey | None = None,
) -> IssuedPreAuthKey:
    """Create a key and store it; what cannot be stored is deleted again.

    A run may be killed between any two of the numbered steps; the next run finishes or undoes what it finds.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        before: Its Secret, as it was read; None where there is none.
        lifetime: How long it is valid; None for as long as is declared.
        recreated_from: Ids of the keys that it replaces, which the state may still have.
        replaced: The key in `before` that the caller deletes afterwards; None where there is none. It is in `PENDING`
            until then, for nothing else names it.

    Raises:
        UserError: When the owner does not exist.
        HeadscaleError: When a call to Headscale fails.
    """
    place, template = (desired.namespace, desired.secret_name), desired.template
    # 1. Write the new key's exact expiration into the Secret, which keeps the old key. Killed here: no key in
    #    Headscale has that expiration, and the next run writes over the annotation.
    expires_at = unique_expiration(now, desired.expiration if lifetime is None else lifetime)
    pending = {
        **template.annotations,
        **own_annotations(before.annotations if before else {}),
        PENDING: expires_at.isoformat(),
    }
    store.write(*place, StoredSecret(before.data if before else {}, pending, template.labels))
    # 2. Create the key. Killed here: its text is lost, and the next run deletes it, found by its expiration.
    try:
        key = client.create_pre_auth_key(
            user_id=int(desired.user_id) if desired.user_id else None,
            expiration=expires_at,
            reusable=desired.reusable,
            ephemeral=desired.ephemeral,
            tags=desired.tags,
        )
    except Exception as error:
        # A call that broke in the middle may have created it: the annotation stays until that is known.
        with contextlib.suppress(ApiError):
            remove_pending(client, StoredSecret({}, {PENDING: expires_at.isoformat()}), client.list_pre_auth_keys())
            _rollback_secret(store, desired, before)
        if isinstance(error, NotFound):
            raise UserError(
                f"the key for Secret {'/'.join(place)} cannot be created: Headscale has no user with id "
                f"{desired.user_id}; see `headscale users list`"
            ) from None
        raise
    # 3. Store the key, without its `PENDING`. Killed here: the key is in force, and the old one is still in the state,
    #    or the next run deletes it, found by its expiration.
    issued = IssuedPreAuthKey(str(key.id), key.key, expires_at)
    secret = secret_for(issued, desired, recreated_from)
    if replaced is not None:
        annotations = {**secret.annotations, PENDING: replaced.expires_at.isoformat()}
        secret = StoredSecret(secret.data, annotations, secret.labels)
    try:
        store.write(*place, secret)
    except Exception:
        # Whether it was written is known only after a read; if that fails too, the next run finds `PENDING`.
        found = store.read(*place)
        if found is None or found.annotations.get(KEY_ID) != issued.key_id:
            client.delete_pre_auth_key(key.id)
        raise
    return issued


def remove_pending(client: HeadscaleClient, before: StoredSecret, keys: Iterable[PreAuthKey]) -> None:
    """Delete the key that an interrupted run created and did not store."""
    pending = time_in(before.annotations, PENDING)
    for key in keys:
        if pending is not None and key.expiration == pending and str(key.id) != before.annotations.get(KEY_ID):
            client.delete_pre_auth_key(key.id)


def _rollback_secret(store: SecretStore, desired: DesiredPreAuthKey, before: StoredSecret | None) -> None:
    """Leave the Secret as it was, or none."""
    if before is None:
        store.delete(desired.namespace, desired.secret_name)
    else:
        store.write(desired.namespace, desired.secret_name, before)


def observe(
    keys: Keys, stored: StoredSecret | None, desired: DesiredPreAuthKey, state: IssuedPreAuthKey, now: datetime
) -> KeyStatus:
    """Compare a key with what the state knows of it.

    Args:
        keys: Headscale's keys by id.
        stored: Its Secret, None where there is none that this component manages.
        desired: The key as it was declared.
        state: The key that the state knows.
        now: The time.
    """
    written = issued_as_desired(stored, desired) if stored else None
    if written and written != state and written.find_in(keys) and not state.find_in(keys):
        state = written
    in_sync = stored is not None and written == state and desired.template.matches(stored)
    return KeyStatus(state, invalid_reason(state.find_in(keys), state.expires_at, now), in_sync)


def restore(store: SecretStore, desired: DesiredPreAuthKey, state: IssuedPreAuthKey) -> IssuedPreAuthKey:
    """Write the Secret again, or by another template, with the key that is in force, and return that.

    Args:
        store: The Secrets.
        desired: How it is to be.
        state: The key that the state knows; the Secret may hold the one that was recreated in its place.

    Raises:
        SecretNotOwned: When the Secret is not managed by this component.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    recreated_from = stored.annotations.get(RECREATED_FROM, "") if stored else ""
    recreated = issued_in(stored) if stored and state.key_id in recreated_from.split(",") else None
    store.write(
        desired.namespace,
        desired.secret_name,
        secret_for(recreated or state, desired, recreated_from if recreated else ""),
    )
    return recreated or state


def delete(
    client: HeadscaleClient, store: SecretStore, state: IssuedPreAuthKey, keys: Keys, place: tuple[str, str]
) -> None:
    """Delete the key, and its Secret unless another key is in it by now; what is gone is done.

    Args:
        client: The Headscale.
        store: The Secrets.
        state: The key that the state knows.
        keys: Headscale's keys by id; one that is not among them, or is another by now, is gone.
        place: Namespace and name of its Secret.
    """
    stored = read_if_owned(store, *place)
    if stored is not None and belongs_to(stored, state):
        remove_pending(client, stored, keys.values())
        recreated = issued_in(stored)
        if recreated and recreated.key_id != state.key_id and recreated.find_in(keys):
            client.delete_pre_auth_key(int(recreated.key_id))
    if state.find_in(keys):
        client.delete_pre_auth_key(int(state.key_id))
    delete_secret(store, state, place)


def delete_secret(store: SecretStore, state: IssuedPreAuthKey, place: tuple[str, str]) -> bool:
    """Delete the Secret if it holds this key; a replacement has written its own over it before the old one is deleted.

    Returns:
        Whether it held this key.
    """
    stored = read_if_owned(store, *place)
    if stored is None or not belongs_to(stored, state):
        return False
    store.delete(*place)
    return True
