"""What a user is to the rules: how it is declared, how the state knows it, and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from headscale_core import HeadscaleClient, HeadscaleError, Node, PreAuthKey, User

_ROUNDING = timedelta(milliseconds=2)
_MOST_SHOWN = 10


class UserError(HeadscaleError):
    """Something about a user that a person has to decide."""


class UserRegistry(Protocol):
    """Which users this stack created or adopted: kept with the data itself, for the state may be lost."""

    def contains(self, name: str) -> bool | None:
        """Return whether a user of this name is in the registry; None where that is not known."""
        ...

    def add(self, name: str) -> None:
        """Add a user, before it is created."""
        ...

    def remove(self, name: str) -> None:
        """Remove a user, after it is gone."""
        ...


class KeyRecovery(Protocol):
    """The keys that 0.28 takes with any user, and how they come back."""

    def prepare(self, deleted: User) -> None:
        """Check before a deletion that every key can be recreated.

        Raises:
            UserError: When one cannot.
        """
        ...

    def recreate(self, deleted: User) -> list[str]:
        """Recreate them after a deletion, and return their Secrets; may be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class UserRef:
    """A user as the state knows it.

    The id alone is not enough: in a database that was lost or restored, ids begin again and belong to other users.
    """

    user_id: str
    name: str
    created_at: datetime | None

    def is_same_user(self, user: User) -> bool:
        """Return whether a user of this id in Headscale is the one; databases round the time."""
        if self.created_at is None or user.created_at is None:
            return True
        return abs(user.created_at - self.created_at) < _ROUNDING


@dataclass(frozen=True, slots=True)
class Profile:
    """What is declared of a user besides its name; Headscale can set it at creation only.

    Its API creates, renames, lists and deletes users
    (https://github.com/juanfont/headscale/blob/v0.29.3/proto/headscale/v1/user.proto). What is empty is not declared:
    it is left as it is.
    """

    display_name: str = ""
    email: str = ""
    picture_url: str = ""

    def differences(self, user: User, *, declared_only: bool = True) -> list[str]:
        """Return what a user in Headscale has otherwise than declared, or otherwise at all."""
        pairs = (
            ("displayName", self.display_name, user.display_name),
            ("email", self.email, user.email),
            ("pictureURL", self.picture_url, user.picture_url),
        )
        return [
            f"{name} is `{found}` and not `{wanted}`"
            for name, wanted, found in pairs
            if wanted != found and (wanted or not declared_only)
        ]


def has_no_name(user: User) -> bool:
    """Return whether a user has no name of its own: an identity provider gave none, as Google does.

    Headscale stores an empty name then, and from 0.28 on shows the e-mail address, the provider's id or its own in
    its place (https://github.com/juanfont/headscale/issues/3002).
    """
    return bool(user.provider_id) and user.name in ("", user.email, user.provider_id, str(user.id))


def declared_name(user: User, declared: str) -> str:
    """Return the name to know a user by: its own, or the declared one where it has none."""
    return declared if has_no_name(user) else user.name


def format_users(users: list[User], *, called: str = "") -> str:
    """Return users in words, the first of many.

    Args:
        users: The users.
        called: The name that need not be repeated.
    """
    listed = [_in_words(user, called) for user in users[:_MOST_SHOWN]]
    more = len(users) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more > 0 else listed) or "nobody"


def _in_words(user: User, called: str) -> str:
    name = "" if has_no_name(user) or user.name == called else f" `{user.name}`"
    email = f" <{user.email}>" if has_no_name(user) and user.email else ""
    source = f" from the identity provider `{user.provider}`" if user.provider_id else ""
    return f"id {user.id}{name}{email}{source}"


def nodes_of(client: HeadscaleClient, user: User) -> list[Node]:
    """Return the nodes that keep a user from being deleted: its own, and tagged ones that joined by its keys.

    `DestroyUser` in https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/db/users.go
    """
    return [
        node
        for node in client.list_nodes()
        if (node.user and node.user.id == user.id) or node.pre_auth_key_user_id == user.id
    ]


def is_usable(key: PreAuthKey, now: datetime) -> bool:
    """Return whether a node can join by a key."""
    return key.expiration is not None and key.expiration > now and (key.reusable or not key.used)


def belongs_to(key: PreAuthKey, user: User) -> bool:
    """Return whether a key is a user's."""
    return key.user is not None and key.user.id == user.id
