"""When a preauth key is to be replaced, and what a replacement does not change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from headscale_core import PreAuthKey

DELETED, EXPIRED_MANUALLY, EXPIRED, USED = "deleted", "expired manually", "expired", "used"
"""Why a key is invalid; the state has one of these as `invalid_reason`."""


def invalid_reason(key: PreAuthKey | None, expires_at: datetime, now: datetime) -> str | None:
    """Return why a key is invalid, None where it is valid.

    Args:
        key: The key as Headscale has it, None where it is gone.
        expires_at: When it was to expire.
        now: The time.
    """
    if key is None:
        return EXPIRED if expires_at <= now else DELETED
    if key.used and not key.reusable:
        return USED
    if key.expiration is None or (key.expiration != expires_at and key.expiration <= now):
        return EXPIRED_MANUALLY
    return EXPIRED if expires_at <= now else None


def is_renewal_due(
    reason: str | None,
    expires_at: datetime,
    now: datetime,
    *,
    policy: str | None,
    reusable: bool,
    renew_before: timedelta | None,
) -> bool:
    """Return whether a key is to be recreated.

    Args:
        reason: Why it is invalid, as far as the state knows.
        expires_at: When it expires.
        now: The time.
        policy: `recreateIfInvalid`: what is done about a key that expired or was used. `never`: nothing.
            `whenExpired`: one that expired is recreated. `always`: one that was used up too. None: `whenExpired` for
            reusable keys, `never` for others. A key that was deleted or expired manually is recreated in any case.
        reusable: Whether it is reusable.
        renew_before: A key with less than this left is recreated while it is still valid; None for not.
    """
    policy = policy or ("whenExpired" if reusable else "never")
    if reason in (DELETED, EXPIRED_MANUALLY):
        return True
    if reason == USED:
        return policy == "always"
    if reason == EXPIRED or expires_at <= now:
        return policy != "never"
    return renew_before is not None and expires_at - now < renew_before


def tags_warning(secret_name: str, before: Iterable[str] | None, after: Iterable[str] | None) -> str:
    """Return a warning that a change of tags changes no node: nodes keep the tags with which they joined."""
    old, new = (", ".join(f"`{tag}`" for tag in sorted(tags or ())) or "none" for tags in (before, after))
    return (
        f"preauth key `{secret_name}` changes its tags from {old} to {new}: nodes that joined with it keep the tags "
        "that they have, also when they log in again; change those by `headscale nodes tag --identifier ID --tags TAGS`"
    )
