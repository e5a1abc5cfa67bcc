"""A key with which nodes join."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool

from headscale_component.spec.secret import KeySecretSpec
from headscale_component.spec.values import (
    Duration,
    SecretKey,
    Tag,
    UserId,
    Username,
)
from headscale_core.defaults import PRE_AUTH_KEY_EXPIRATION


class PreAuthKeySpec(KeySecretSpec):
    """A preauth key and the Secret that holds it.

    A key never changes: whatever is changed here makes a new key, writes it to the Secret, and revokes the old one.
    """

    user: Username | None = None
    """The owner, by its name under `users`. Either this or `userId`; neither for a key that has only tags."""

    user_id: UserId | None = None
    """The owner, by Headscale's own id, for users that this stack does not declare."""

    expiration: Duration = PRE_AUTH_KEY_EXPIRATION
    """How long the key can be used to join: Go's notation (`1h30m`) or days (`90d`). Headscale has no `never`."""

    reusable: StrictBool = False
    """Whether more than one node may join with it."""

    ephemeral: StrictBool = False
    """Whether nodes that joined with it are removed when they have been away for a while."""

    tags: tuple[Tag, ...] = ()
    """Tags that nodes get as they join; they replace the user as the nodes' identity (Headscale 0.28 and newer)."""

    secret_key: SecretKey = "key"  # noqa: S105 - a name
    """Under which name the key stands in the Secret, for example `TS_AUTHKEY` for pods that take it as a variable."""

    renew_before: Duration | None = None
    """A key with less than this left is recreated by the next `pulumi up`, while it is still good; default: not."""

    recreate_if_invalid: Literal["never", "whenExpired", "always"] | None = None
    """Whether a key that expired or was used up is recreated. `never`: no. `whenExpired`: by the next `pulumi up` after
    it expired. `always`: also one that was used up, which `--refresh` finds out. Default: `whenExpired` for reusable
    keys, `never` for others. A key that was deleted or expired manually is always recreated after a refresh."""
