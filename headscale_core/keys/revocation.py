"""Keys that are deleted while Headscale does not run: what is recorded of them, and how they are revoked later.

A record is `kind/name/expiration`, for example `preauth-key/7/2026-01-31T12:00:00.123456+00:00`: what names the key in
Headscale's lists and when it expires, and nothing of its text. Name and expiration may be empty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from headscale_core import HeadscaleClient
from headscale_core.keys import api_key
from headscale_core.keys import api_key_secret as api_keys
from headscale_core.keys import pre_auth_key_secret as pre_auth_keys
from headscale_core.keys.annotations import EXPIRES_AT, KEY_ID, PENDING, parse_time, time_in
from headscale_core.keys.secrets import StoredSecret

PRE_AUTH_KEY, API_KEY = "preauth-key", "api-key"


@dataclass(frozen=True, slots=True)
class PendingRevocation:
    """A key that is to be revoked.

    Attributes:
        kind: `preauth-key` or `api-key`.
        name: A preauth key's id, an API key's prefix; empty for a key that an interrupted run did not store.
        expires_at: When it expires, to the microsecond by which it is found again; None for unknown.
    """

    kind: str
    name: str
    expires_at: datetime | None

    def __str__(self) -> str:
        return "/".join((self.kind, self.name, self.expires_at.isoformat() if self.expires_at else ""))

    @classmethod
    def parse(cls, text: str) -> PendingRevocation:
        """Parse a recorded revocation; one that was edited names no key."""
        kind, name, expires_at = [*text.split("/"), "", ""][:3]
        return cls(kind, name, parse_time(expires_at))


def of_pre_auth_key(stored: StoredSecret | None, state: pre_auth_keys.IssuedPreAuthKey) -> set[PendingRevocation]:
    """Return the keys that go with a preauth key: itself, the one recreated in its place, and an interrupted run's.

    Args:
        stored: Its Secret, None where there is none of ours.
        state: The key that the state knows.
    """
    keys = {PendingRevocation(PRE_AUTH_KEY, state.key_id, state.expires_at)}
    if stored is not None and pre_auth_keys.belongs_to(stored, state):
        if recreated := pre_auth_keys.issued_in(stored):
            keys.add(PendingRevocation(PRE_AUTH_KEY, recreated.key_id, recreated.expires_at))
        keys |= _pending(PRE_AUTH_KEY, stored)
    return keys


def of_api_key(
    stored: StoredSecret | None, desired: api_keys.DesiredApiKey, prefixes: Collection[str], expires_at: datetime
) -> set[PendingRevocation]:
    """Return the keys that go with an API key: itself, those that it replaced, and an interrupted run's.

    Args:
        stored: Its Secret, None where there is none of ours.
        desired: The key.
        prefixes: What the state knows of it: its prefix first, and those of the keys that it replaced.
        expires_at: When the key that the state knows expires.
    """
    ends: dict[str, datetime | None] = dict.fromkeys(prefixes)
    ends |= dict.fromkeys([*prefixes][:1], expires_at)
    if stored is None:
        return _named(ends)
    superseded = api_keys.superseded_in(stored)
    if not api_keys.belongs_to(stored, desired, prefixes):
        # Another key has replaced it in the Secret, and revokes these when their time has come.
        return _named({prefix: end for prefix, end in ends.items() if prefix not in superseded})
    ends = {**dict.fromkeys(superseded), **ends}
    if newest := stored.annotations.get(KEY_ID):
        ends[newest] = time_in(stored.annotations, EXPIRES_AT)
    return _named(ends) | _pending(API_KEY, stored)


def _named(ends: Mapping[str, datetime | None]) -> set[PendingRevocation]:
    return {PendingRevocation(API_KEY, prefix, end) for prefix, end in ends.items()}


def _pending(kind: str, stored: StoredSecret) -> set[PendingRevocation]:
    pending = time_in(stored.annotations, PENDING)
    return {PendingRevocation(kind, "", pending)} if pending else set()


def valid_until(keys: Collection[PendingRevocation]) -> datetime | None:
    """Return until when any of some keys is valid, as far as that is known."""
    return max((key.expires_at for key in keys if key.expires_at), default=None)


def revoke(client: HeadscaleClient, keys: Collection[PendingRevocation]) -> None:
    """Revoke recorded keys; one that Headscale does not have, or has as another one by now, is done.

    The id alone is no proof: in a database that was restored, ids are reused for other keys.
    """
    if pre_auth_keys := {(key.name, key.expires_at) for key in keys if key.kind == PRE_AUTH_KEY and key.expires_at}:
        for listed in client.list_pre_auth_keys():
            if (str(listed.id), listed.expiration) in pre_auth_keys or ("", listed.expiration) in pre_auth_keys:
                client.delete_pre_auth_key(listed.id)
    api_keys = [key for key in keys if key.kind == API_KEY]
    if api_keys:
        prefixes = {key.name for key in api_keys if key.name}
        pending = {key.expires_at for key in api_keys if not key.name and key.expires_at}
        for found in client.list_api_keys():
            if found.prefix in prefixes or found.expiration in pending:
                api_key.revoke(client, found.prefix)
