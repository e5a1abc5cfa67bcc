"""The rules of a preauth key and the Secret that holds it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headscale_core import ApiError, HeadscaleClient, NotFound, PreAuthKey
from headscale_core.keys.annotations import (
    DATA_KEY_NAME,
    EXPIRES_AT,
    KEY_ID,
    OWNER,
    PENDING,
    RECREATED_FROM,
    SPEC,
    TAGS,
    own_annotations,
    time_in,
    unique_expiration,
)
from headscale_core.keys.renewal import invalid_reason
from headscale_core.keys.secrets import SecretStore, SecretTemplate, StoredSecret, read_if_owned
from headscale_core.users.lifecycle import UserError
from headscale_core.values.durations import is_same_duration, parse_duration

DATA_KEY = "key"
_DEFAULT_TEMPLATE = SecretTemplate(DATA_KEY)

_OPTIONAL = (OWNER, RECREATED_FROM, DATA_KEY_NAME)

Keys = Mapping[str, PreAuthKey]
"""Headscale's keys by id."""


@dataclass(frozen=True, slots=True)
class DesiredPreAuthKey:
    """A preauth key as it is declared; a Secret of another owner holds another key, whatever it looks like."""

    namespace: str
    secret_name: str
    user_id: str | None
    expiration: str
    reusable: bool
    ephemeral: bool
    tags: tuple[str, ...]
    template: SecretTemplate = _DEFAULT_TEMPLATE
    owner: str | None = None

    @property
    def fingerprint(self) -> str:
        """All that makes it another key when it changes."""
        return json.dumps([self.user_id, self.expiration, self.reusable, self.ephemeral, sorted(self.tags)])

    def has(self, fingerprint: str | None) -> bool:
        """Return whether a fingerprint is its own; the lifetime may be written otherwise, as `24h` for `1d`."""
        try:
            user_id, expiration, *others = json.loads(fingerprint or "")
        except (TypeError, ValueError):
            return False
        same = [user_id, *others] == [self.user_id, self.reusable, self.ephemeral, sorted(self.tags)]
        return same and is_same_duration(expiration, self.expiration)


@dataclass(frozen=True, slots=True)
class IssuedPreAuthKey:
    """A key, with its text, which is shown nowhere."""

    key_id: str
    text: str = field(repr=False)
    expires_at: datetime

    def find_in(self, keys: Keys) -> PreAuthKey | None:
        """Return what Headscale has of it, None where it is gone.

        The id alone does not tell: in a database that was lost, or restored, ids begin anew, and are somebody else's.
        """
        listed = keys.get(self.key_id)
        # Lists of 0.28 and newer show the beginning, older ones the whole.
        return listed if listed and self.text.startswith(listed.key.removesuffix("***")) else None


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """How a key was found.

    Attributes:
        issued: The key; another one than the state knows where it was recreated since.
        ended: Why it is no good any more, None where it is good.
        secret_in_sync: Whether the Secret holds it and looks as it is wished.
    """

    issued: IssuedPreAuthKey
    ended: str | None
    secret_in_sync: bool


def create(
    client: HeadscaleClient,
    store: SecretStore,
    desired: DesiredPreAuthKey,
    now: datetime,
    *,
    in_state: Sequence[str] = (),
) -> IssuedPreAuthKey:
    """Make the key and its Secret, and revoke what the Secret held, or a killed run was about to write there.

    It never keeps the key that it finds: the engine calls it for `pulumi up --replace` and for a tainted resource, by
    which a key is to be rotated, exactly as it does after a run that was killed before the state was written.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        in_state: Ids of keys in the state, which are deleted by themselves once all who use them are updated.

    Raises:
        SecretNotOwned: When the Secret is somebody else's; nothing was changed then.
        UserError: When the owner does not exist; nothing was changed then.
    """
    before = store.read(desired.namespace, desired.secret_name)
    if before is None:
        return issue(client, store, desired, now, None)
    keys = by_id(client.list_pre_auth_keys())
    remove_pending(client, before, keys.values())
    made = issue(client, store, desired, now, before)
    replaced = issued_in(before)
    if replaced and replaced.key_id not in in_state and replaced.find_in(keys):
        client.delete_pre_auth_key(int(replaced.key_id))
    return made


def by_id(keys: Iterable[PreAuthKey]) -> Keys:
    """Return keys by id, as text."""
    return {str(key.id): key for key in keys}


def issue(
    client: HeadscaleClient,
    store: SecretStore,
    desired: DesiredPreAuthKey,
    now: datetime,
    before: StoredSecret | None,
    *,
    lifetime: timedelta | None = None,
    recreated_from: str = "",
) -> IssuedPreAuthKey:
    """Note the key's end, make it, write it down; what cannot be written down is deleted again.

    Args:
        client: The Headscale.
        store: The Secrets.
        desired: The key.
        now: The time.
        before: Its Secret, as it was read; None where there is none.
        lifetime: How long it lives; None for as long as is declared.
        recreated_from: Ids of the keys in whose place it is, which the state may still know.

    Raises:
        UserError: When the owner does not exist.
    """
    where, template = (desired.namespace, desired.secret_name), desired.template
    expires_at = unique_expiration(now, parse_duration(desired.expiration) if lifetime is None else lifetime)
    notes = {
        **template.annotations,
        **own_annotations(before.annotations if before else {}),
        PENDING: expires_at.isoformat(),
    }
    store.write(*where, StoredSecret(before.data if before else {}, notes, template.labels))
    try:
        key = client.create_pre_auth_key(
            user_id=int(desired.user_id) if desired.user_id else None,
            expiration=expires_at,
            reusable=desired.reusable,
            ephemeral=desired.ephemeral,
            tags=desired.tags,
        )
    except Exception as error:
        # A call that broke in the middle may have made it: the note stays until that is known.
        with contextlib.suppress(ApiError):
            remove_pending(client, StoredSecret({}, {PENDING: expires_at.isoformat()}), client.list_pre_auth_keys())
            _rollback_secret(store, desired, before)
        if isinstance(error, NotFound):
            raise UserError(
                f"the key for Secret {'/'.join(where)} cannot be made: Headscale has no user with id "
                f"{desired.user_id}; see `headscale users list`"
            ) from None
        raise
    issued = IssuedPreAuthKey(str(key.id), key.key, expires_at)
    try:
        store.write(*where, _secret_for(issued, desired, recreated_from))
    except Exception:
        # Whether it was written is not known before it is read; where that fails too, the note tells the next run.
        found = store.read(*where)
        if found is None or found.annotations.get(KEY_ID) != issued.key_id:
            client.delete_pre_auth_key(key.id)
        raise
    return issued


def _secret_for(issued: IssuedPreAuthKey, desired: DesiredPreAuthKey, recreated_from: str = "") -> StoredSecret:
    data_key = desired.template.data_key
    annotations = {
        **desired.template.annotations,
        KEY_ID: issued.key_id,
        EXPIRES_AT: issued.expires_at.isoformat(),
        SPEC: desired.fingerprint,
        TAGS: ",".join(desired.tags),
        OWNER: desired.owner or "",
        RECREATED_FROM: recreated_from,
        DATA_KEY_NAME: data_key if data_key != DATA_KEY else "",
    }
    kept = {name: text for name, text in annotations.items() if text or name not in _OPTIONAL}
    return StoredSecret({data_key: issued.text}, kept, desired.template.labels)


def issued_in(stored: StoredSecret) -> IssuedPreAuthKey | None:
    """Return the key that a Secret holds, None where it holds none."""
    text, expires_at = stored.data.get(data_key_of(stored)), time_in(stored.annotations, EXPIRES_AT)
    key_id = stored.annotations.get(KEY_ID)
    return IssuedPreAuthKey(key_id, text, expires_at) if text and expires_at and key_id else None


def data_key_of(stored: StoredSecret) -> str:
    """Return under which name a Secret holds its key."""
    # Those that were written before there was a mark for it hold nothing else.
    only = next(iter(stored.data), DATA_KEY) if len(stored.data) == 1 else DATA_KEY
    return stored.annotations.get(DATA_KEY_NAME, only)


def _written(stored: StoredSecret, desired: DesiredPreAuthKey) -> IssuedPreAuthKey | None:
    """Return the key that a Secret holds, None where it is not of this kind."""
    if data_key_of(stored) != desired.template.data_key or not desired.has(stored.annotations.get(SPEC)):
        return None
    return issued_in(stored)


def remove_pending(client: HeadscaleClient, before: StoredSecret, keys: Iterable[PreAuthKey]) -> None:
    """Delete the key that a killed run made and did not write down."""
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
        stored: Its Secret, None where there is none of ours.
        desired: The key as it was declared.
        state: The key that the state knows.
        now: The time.
    """
    written = _written(stored, desired) if stored else None
    if written and written != state and written.find_in(keys) and not state.find_in(keys):
        state = written
    right = stored is not None and written == state and desired.template.matches(stored)
    return KeyStatus(state, invalid_reason(state.find_in(keys), state.expires_at, now), right)


def restore(store: SecretStore, desired: DesiredPreAuthKey, state: IssuedPreAuthKey) -> IssuedPreAuthKey:
    """Write the Secret again, or as it is to look now, with the key that is in force, and return that.

    Args:
        store: The Secrets.
        desired: How it is to be.
        state: The key that the state knows; the Secret may hold the one that was made in its place.
    """
    stored = store.read(desired.namespace, desired.secret_name)
    recreated_from = stored.annotations.get(RECREATED_FROM, "") if stored else ""
    recreated = issued_in(stored) if stored and state.key_id in recreated_from.split(",") else None
    store.write(
        desired.namespace,
        desired.secret_name,
        _secret_for(recreated or state, desired, recreated_from if recreated else ""),
    )
    return recreated or state


def delete(
    client: HeadscaleClient, store: SecretStore, state: IssuedPreAuthKey, keys: Keys, place: tuple[str, str]
) -> None:
    """Delete the key, and its Secret unless that holds another key by now; what is gone is done.

    Args:
        client: The Headscale.
        store: The Secrets.
        state: The key that the state knows.
        keys: Headscale's keys by id; one that is not among them, or is another by now, is gone.
        place: Namespace and name of its Secret.
    """
    stored = read_if_owned(store, *place)
    if stored is not None and holds(stored, state):
        remove_pending(client, stored, keys.values())
        recreated = issued_in(stored)
        if recreated and recreated.key_id != state.key_id and recreated.find_in(keys):
            client.delete_pre_auth_key(int(recreated.key_id))
    if state.find_in(keys):
        client.delete_pre_auth_key(int(state.key_id))
    delete_secret(store, state, place)


def delete_secret(store: SecretStore, state: IssuedPreAuthKey, place: tuple[str, str]) -> bool:
    """Delete the Secret if it holds this key: a replacement has written its own over it before the old one goes.

    Returns:
        Whether it held this key.
    """
    stored = read_if_owned(store, *place)
    if stored is None or not holds(stored, state):
        return False
    store.delete(*place)
    return True


def holds(stored: StoredSecret, state: IssuedPreAuthKey) -> bool:
    """Return whether a Secret holds the key that the state knows, or the one that was made in its place."""
    notes = stored.annotations
    is_same_user = notes.get(KEY_ID) == state.key_id and time_in(notes, EXPIRES_AT) == state.expires_at
    return is_same_user or state.key_id in notes.get(RECREATED_FROM, "").split(",")
