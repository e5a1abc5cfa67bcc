"""The rules of a preauth key and the Secret that holds it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dynamic_providers.rules.user import UserError, is_usable
from headscale_api import HeadscaleClient, HeadscaleError, NotFound, PreAuthKey, User
from headscale_api.durations import format_duration, parse_duration
from headscale_api.stored_keys.marks import (
    EXPIRES_AT,
    KEY_ID,
    OWNER,
    PENDING,
    PREFIX,
    SPEC,
    TAGS,
    distinct_expiration,
    marks_of,
    time_of,
)
from headscale_api.stored_keys.store import Dress, SecretStore, StoredSecret

DATA_KEY = "key"
_PLAIN = Dress(DATA_KEY)

DELETED, ENDED_BY_HAND, EXPIRED, USED = "deleted", "ended by hand", "expired", "used"
"""Why a key is no good any more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A preauth key as it is declared; a Secret of another owner holds another key, whatever it looks like."""

    namespace: str
    secret_name: str
    user_id: str | None
    expiration: str
    reusable: bool
    ephemeral: bool
    tags: tuple[str, ...]
    dress: Dress = _PLAIN
    owner: str | None = None

    @property
    def fingerprint(self) -> str:
        """All that makes it another key when it changes."""
        return json.dumps([self.user_id, self.expiration, self.reusable, self.ephemeral, sorted(self.tags)])


@dataclass(frozen=True, slots=True)
class Held:
    """A key, with its text, which is shown nowhere."""

    key_id: str
    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """How a key was found.

    Attributes:
        held: The key; another one than the state knows where it was made anew since.
        ended: Why it is no good any more, None where it is good.
        secret_is_right: Whether the Secret holds it and looks as it is wished.
    """

    held: Held
    ended: str | None
    secret_is_right: bool


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
    if before is None:
        return _make(client, store, wanted, now, None)
    keys = client.list_pre_auth_keys()
    finished = _finished(before, keys, wanted, now)
    if finished and finished.key_id not in held:
        return finished
    _remove_pending(client, before, keys)
    made = _make(client, store, wanted, now, before)
    replaced = before.annotations.get(KEY_ID, "")
    if replaced.isdigit() and replaced not in held:
        # Nobody else knows of it: the state holds another one.
        client.delete_pre_auth_key(int(replaced))
    return made


def _make(
    client: HeadscaleClient, store: SecretStore, wanted: Wanted, now: datetime, before: StoredSecret | None
) -> Held:
    """Note the key's end, make it, write it down; what cannot be written down is deleted again."""
    where, dress = (wanted.namespace, wanted.secret_name), wanted.dress
    expires_at = distinct_expiration(now, parse_duration(wanted.expiration))
    notes = {**dress.annotations, **marks_of(before.annotations if before else {}), PENDING: expires_at.isoformat()}
    store.write(*where, StoredSecret(before.data if before else {}, notes, dress.labels))
    try:
        key = client.create_pre_auth_key(
            user_id=int(wanted.user_id) if wanted.user_id else None,
            expiration=expires_at,
            reusable=wanted.reusable,
            ephemeral=wanted.ephemeral,
            tags=wanted.tags,
        )
    except Exception as error:
        # A call that broke in the middle may have made it: the note stays until that is known.
        with contextlib.suppress(HeadscaleError):
            _remove_pending(client, StoredSecret({}, {PENDING: expires_at.isoformat()}), client.list_pre_auth_keys())
            _undo(store, wanted, before)
        if isinstance(error, NotFound):
            raise UserError(
                f"the key for Secret {'/'.join(where)} cannot be made: Headscale has no user with id {wanted.user_id}; "
                "see `headscale users list`"
            ) from None
        raise
    held = Held(str(key.id), key.key, expires_at)
    try:
        store.write(*where, _holding(held, wanted))
    except Exception:
        # Whether it was written is not known before it is read; where that fails too, the note tells the next run.
        found = store.read(*where)
        if found is None or found.annotations.get(KEY_ID) != held.key_id:
            client.delete_pre_auth_key(key.id)
        raise
    return held


def _holding(held: Held, wanted: Wanted) -> StoredSecret:
    annotations = {
        **wanted.dress.annotations,
        KEY_ID: held.key_id,
        EXPIRES_AT: held.expires_at.isoformat(),
        SPEC: wanted.fingerprint,
        TAGS: ",".join(wanted.tags),
        **({OWNER: wanted.owner} if wanted.owner else {}),
    }
    return StoredSecret({wanted.dress.data_key: held.text}, annotations, wanted.dress.labels)


def _finished(before: StoredSecret, keys: Sequence[PreAuthKey], wanted: Wanted, now: datetime) -> Held | None:
    """Return the key that the Secret holds, where it is this very one, looks so, and can still be used."""
    written = _written(before, wanted)
    if (
        written is None
        or before.annotations.get(OWNER) != wanted.owner
        or not wanted.dress.is_worn_by(before)
        or PENDING in before.annotations
    ):
        return None
    for key in keys:
        if str(key.id) == written.key_id and key.expiration == written.expires_at and is_usable(key, now):
            return written
    return None


def _written(stored: StoredSecret, wanted: Wanted) -> Held | None:
    """Return the key that a Secret holds, None where it is not of this kind."""
    text, expires_at = stored.data.get(wanted.dress.data_key), time_of(stored.annotations, EXPIRES_AT)
    if not text or expires_at is None or stored.annotations.get(SPEC) != wanted.fingerprint:
        return None
    return Held(stored.annotations.get(KEY_ID, ""), text, expires_at)


def _remove_pending(client: HeadscaleClient, before: StoredSecret, keys: Sequence[PreAuthKey]) -> None:
    """Delete the key that a killed run made and did not write down."""
    pending = time_of(before.annotations, PENDING)
    for key in keys:
        if pending is not None and key.expiration == pending and str(key.id) != before.annotations.get(KEY_ID):
            client.delete_pre_auth_key(key.id)


def _undo(store: SecretStore, wanted: Wanted, before: StoredSecret | None) -> None:
    """Leave the Secret as it was, or none."""
    if before is None:
        store.delete(wanted.namespace, wanted.secret_name)
    else:
        store.write(wanted.namespace, wanted.secret_name, before)


def look(
    keys: Mapping[str, PreAuthKey], stored: StoredSecret | None, wanted: Wanted, state: Held, now: datetime
) -> Seen:
    """Compare a key with what the state knows of it.

    Args:
        keys: Headscale's keys by id.
        stored: Its Secret, None where there is none of ours.
        wanted: The key as it was declared.
        state: The key that the state knows.
        now: The time.
    """
    written = _written(stored, wanted) if stored else None
    if written and written.key_id != state.key_id and written.key_id in keys and state.key_id not in keys:
        state = written
    right = stored is not None and written == state and wanted.dress.is_worn_by(stored)
    return Seen(state, _ended(keys.get(state.key_id), state.expires_at, now), right)


def _ended(key: PreAuthKey | None, expires_at: datetime, now: datetime) -> str | None:
    if key is None:
        return EXPIRED if expires_at <= now else DELETED
    if key.used and not key.reusable:
        return USED
    if key.expiration is None or (key.expiration != expires_at and key.expiration <= now):
        return ENDED_BY_HAND
    return EXPIRED if expires_at <= now else None


def is_to_be_replaced(
    ended: str | None,
    expires_at: datetime,
    now: datetime,
    *,
    policy: str | None,
    reusable: bool,
    renew_before: str | None,
) -> bool:
    """Return whether a key is to be made anew.

    Args:
        ended: Why it is no good any more, as far as the state knows.
        expires_at: When it ends by itself.
        now: The time.
        policy: `recreateIfInvalid`: what is done about a key that came to its natural end. `never`: nothing.
            `whenExpired`: one that expired is made anew. `always`: one that was used up too. None: `whenExpired` for
            reusable keys, `never` for others. What was deleted or ended by hand is made anew whatever it says.
        reusable: Whether it is reusable.
        renew_before: A key with less than this left is made anew while it is still good; None for not.
    """
    policy = policy or ("whenExpired" if reusable else "never")
    if ended in (DELETED, ENDED_BY_HAND):
        return True
    if ended == USED:
        return policy == "always"
    if ended == EXPIRED or expires_at <= now:
        return policy != "never"
    return renew_before is not None and expires_at - now < parse_duration(renew_before)


def restore(store: SecretStore, wanted: Wanted, held: Held) -> None:
    """Write the Secret again, or as it is to look now, with the key that is in force."""
    store.read(wanted.namespace, wanted.secret_name)
    store.write(wanted.namespace, wanted.secret_name, _holding(held, wanted))


def delete(client: HeadscaleClient, store: SecretStore, key_id: str, namespace: str, secret_name: str) -> None:
    """Delete the key, and its Secret unless that holds another key by now; what is gone is done."""
    client.delete_pre_auth_key(int(key_id))
    delete_secret(store, key_id, namespace, secret_name)


def delete_secret(store: SecretStore, key_id: str, namespace: str, secret_name: str) -> None:
    """Delete the Secret if it holds this key: a replacement has written its own over it before the old one goes."""
    found = store.read(namespace, secret_name)
    if found is not None and found.annotations.get(KEY_ID) == key_id:
        store.delete(namespace, secret_name)


def remake_wiped(
    client: HeadscaleClient,
    store: SecretStore,
    secrets: Iterable[tuple[str, str, StoredSecret]],
    deleted: User,
    now: datetime,
) -> None:
    """Make the keys anew that Secrets hold and Headscale does not know any more, and check that none else is lost.

    Called before a deletion it only checks; called afterwards it makes anew. It may be called any number of times.

    Args:
        client: The Headscale.
        store: The Secrets.
        secrets: Namespace, name and content of all Secrets of ours that hold preauth keys.
        deleted: The user whose deletion takes all keys with it; its own are not made anew.
        now: The time.

    Raises:
        UserError: When a usable key is in no Secret of ours: nobody could make it anew.
    """
    listed, held = client.list_pre_auth_keys(), list(secrets)
    for _, _, stored in held:
        _remove_pending(client, stored, listed)
    pending = {time_of(stored.annotations, PENDING) for _, _, stored in held}
    listed = [key for key in listed if key.expiration not in pending]
    ours = {stored.annotations.get(KEY_ID) for _, _, stored in held}
    lost = [
        key
        for key in listed
        if is_usable(key, now) and str(key.id) not in ours and (not key.user or key.user.id != deleted.id)
    ]
    if lost:
        ids = ", ".join(str(key.id) for key in lost)
        raise UserError(
            f"deleting user `{deleted.name}` would delete preauth key(s) {ids}, which are in no Secret of this stack "
            "and so cannot be made anew; end them by `headscale preauthkeys expire` if nobody needs them"
        )
    known = {str(key.id) for key in listed}
    for namespace, name, stored in held:
        wanted = _wanted_of(namespace, name, stored)
        ends = time_of(stored.annotations, EXPIRES_AT)
        if wanted is None or ends is None or ends <= now or wanted.user_id == str(deleted.id):
            continue
        if stored.annotations.get(KEY_ID) not in known:
            remade = _make(client, store, replace(wanted, expiration=format_duration(_left(ends, now))), now, stored)
            store.write(namespace, name, _holding(remade, wanted))


def _left(ends: datetime, now: datetime) -> timedelta:
    return max(ends - now, timedelta(seconds=1))


def _wanted_of(namespace: str, name: str, stored: StoredSecret) -> Wanted | None:
    """Return how a key was declared, as its Secret tells; None where it does not."""
    try:
        user_id, expiration, reusable, ephemeral, tags = json.loads(stored.annotations[SPEC])
        (data_key,) = stored.data
    except (KeyError, ValueError):
        return None
    extra = {key: text for key, text in stored.annotations.items() if not key.startswith(PREFIX)}
    dress = Dress(data_key, stored.labels, extra)
    owner = stored.annotations.get(OWNER)
    return Wanted(namespace, name, user_id, expiration, reusable, ephemeral, tuple(tags), dress, owner)
