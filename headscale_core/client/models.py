"""What Headscale knows, as frozen values. Ids are whole numbers, times are aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class User:
    """A user; `provider` is empty unless it came from an identity provider."""

    id: int
    name: str
    display_name: str = ""
    email: str = ""
    picture_url: str = ""
    provider: str = ""
    provider_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PreAuthKey:
    """A key with which nodes join.

    `key` holds the whole text in the answer to its creation only; lists of 0.28 and newer show the beginning
    (https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/types/preauth_key.go).
    """

    id: int
    key: str = field(repr=False)
    user: User | None
    reusable: bool
    ephemeral: bool
    used: bool
    expiration: datetime | None
    created_at: datetime | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for this API, without its text; `prefix` is what `expire` and `delete` take."""

    id: int
    prefix: str
    expiration: datetime | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the tailnet. A tagged one belongs to its tags; `user` is then of no meaning."""

    id: int
    name: str
    given_name: str
    user: User | None
    tags: tuple[str, ...]
    online: bool
    ip_addresses: tuple[str, ...]
    pre_auth_key_id: int | None
    pre_auth_key_user_id: int | None
    expiry: datetime | None
    last_seen: datetime | None


def api_key_prefix(key: str) -> str:
    """Return the part of an API key's text by which Headscale lists, expires and deletes it.

    Up to 0.27 a key is `<prefix>.<secret>`; from 0.28 `hskey-api-<prefix>-<secret>`, where both parts may hold `-`
    and the prefix has 12 characters (https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/db/api_key.go).
    """
    marker = "hskey-api-"
    if key.startswith(marker):
        return key[len(marker) : len(marker) + 12]
    return key.partition(".")[0]
