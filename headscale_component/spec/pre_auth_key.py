"""A key with which nodes join."""

from __future__ import annotations

from headscale_component.spec.model import SpecModel
from headscale_component.spec.values import DnsLabel, DnsSubdomain, Duration, Tag, UserId


class PreAuthKeySpec(SpecModel):
    """A preauth key and the Secret that holds it.

    A key never changes: whatever is changed here makes a new key, writes it to the Secret, and revokes the old one.
    """

    user: DnsLabel | None = None
    """The owner, by its name under `users`. Either this or `userId`; neither for a key that has only tags."""

    user_id: UserId | None = None
    """The owner, by Headscale's own id, for users that this stack does not declare."""

    expiration: Duration = "1h"
    """How long the key can be used to join: Go's notation (`1h30m`) or days (`90d`). Headscale has no `never`."""

    reusable: bool = False
    """Whether more than one node may join with it."""

    ephemeral: bool = False
    """Whether nodes that joined with it are removed when they have been away for a while."""

    tags: tuple[Tag, ...] = ()
    """Tags that nodes get as they join; they replace the user as the nodes' identity (Headscale 0.28 and newer)."""

    secret_name: DnsSubdomain | None = None
    """The Secret that holds the key under `key`; default: this key's own name."""
