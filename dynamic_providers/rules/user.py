"""The rules of a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from headscale_api import AlreadyExists, FailedPrecondition, HeadscaleClient, Node, NotFound, PreAuthKey, User

WIPES_ALL_KEYS = 28
"""Deleting any user on 0.28 deletes the preauth keys of all (headscale issue 3154, mended in 0.29)."""

_ROUNDING = timedelta(milliseconds=2)


class UserError(Exception):
    """Something about a user that a person has to decide."""


class Record(Protocol):
    """Which users are ours: noted with the data itself, so that it is known when the state is not."""

    def holds(self, name: str) -> bool | None:
        """Return whether a user of this name is ours; None where no record is kept."""
        ...

    def add(self, name: str) -> None:
        """Note a user, before it is made."""
        ...

    def remove(self, name: str) -> None:
        """Strike out a user, after it is gone."""
        ...


class WipedKeys(Protocol):
    """The keys that 0.28 takes with any user, and how they come back."""

    def prepare(self, deleted: User) -> None:
        """Check before a deletion that every key can be made anew.

        Raises:
            UserError: When one cannot.
        """
        ...

    def remake(self, deleted: User) -> list[str]:
        """Make them anew after a deletion, and return their Secrets; may be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A user as the state knows it.

    The id alone does not tell: in a database that was lost, or restored, ids begin anew, and are somebody else's.
    """

    user_id: str
    name: str
    created_at: datetime | None

    def is_it(self, user: User) -> bool:
        """Return whether a user of this id in Headscale is the one; databases round the time."""
        if self.created_at is None or user.created_at is None:
            return True
        return abs(user.created_at - self.created_at) < _ROUNDING


@dataclass(frozen=True, slots=True)
class Profile:
    """What is declared of a user besides its name; Headscale can set it at creation only.

    What is empty is not declared: it is left as it is.
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


def find_or_create(
    client: HeadscaleClient, name: str, profile: Profile, record: Record, *, adopt: str | None = None
) -> User:
    """Make a user, or take the one that an interrupted run or an earlier stack of ours made, or adopt one.

    Args:
        client: The Headscale.
        name: The user's name.
        profile: What is declared of it.
        record: Which users are ours.
        adopt: None to take nobody else's; `true` to adopt the one of this name; an id where several bear it.

    Raises:
        UserError: When one of this name exists that may not be taken, or is otherwise.
    """
    found = client.list_users(name=name)
    local = next((user for user in found if not user.provider_id), None)
    if local is not None and _is_ours(client, local, profile, record):
        return _as_declared(local, profile.differences(local))
    if found:
        user = _adopted(name, found, adopt)
        _as_declared(user, profile.differences(user))
        record.add(name)
        return user
    record.add(name)
    try:
        return client.create_user(
            name, display_name=profile.display_name, email=profile.email, picture_url=profile.picture_url
        )
    except AlreadyExists:
        # A call that broke in the middle may have made it all the same: it was noted, and so is ours.
        made = next((user for user in client.list_users(name=name) if not user.provider_id), None)
        if made is None:
            raise
        return _as_declared(made, profile.differences(made))


def _is_ours(client: HeadscaleClient, user: User, profile: Profile, record: Record) -> bool:
    """Return whether we made a user. With no record, one that is exactly so and has nothing to lose counts as ours."""
    noted = record.holds(user.name)
    if noted is not None:
        return noted
    keys = any(_belongs_to(key, user) for key in client.list_pre_auth_keys())
    return not profile.differences(user, declared_only=False) and not keys and not nodes_of(client, user)


def _shown(users: list[User]) -> str:
    return ", ".join(
        f"id {user.id}" + (f" from the identity provider `{user.provider}`" if user.provider_id else "")
        for user in users
    )


def _adopted(name: str, found: list[User], adopt: str | None) -> User:
    shown = _shown(found)
    if adopt is None:
        raise UserError(
            f"user `{name}` exists already ({shown}) and is not this stack's: write `adopt: true` to keep it from now "
            "on, or `adoptUsers: true` for all users of the instance"
        )
    if adopt == "true":
        if len(found) > 1:
            raise UserError(
                f"more than one user is called `{name}` ({shown}): write which one, as `adopt: {found[0].id}`"
            )
        return found[0]
    for user in found:
        if str(user.id) == adopt:
            return user
    raise UserError(f"no user with id {adopt} is called `{name}`; there is {shown}")


def _as_declared(user: User, differences: list[str]) -> User:
    if differences:
        raise UserError(
            f"user `{user.name}` exists already (id {user.id}) and {', '.join(differences)}; Headscale cannot change "
            "that: declare it as it is, or delete it by `headscale users delete` if nobody needs it"
        )
    return user


def rename(client: HeadscaleClient, state: Known, new: str, record: Record) -> User:
    """Give the user another name; its id, nodes and keys stay.

    Raises:
        UserError: When the name is taken, or the user is gone.
    """
    gone = f"user `{state.name}` (id {state.user_id}) is gone: `pulumi refresh` notices, and makes it anew"
    taken = f"the user cannot be called `{new}`: another one is; choose a name that is free"
    if find(client, state) is None:
        raise UserError(gone)
    if _others(client, state, new):
        raise UserError(taken)
    was_ours = record.holds(new)
    record.add(new)
    try:
        renamed = client.rename_user(int(state.user_id), new)
    except (AlreadyExists, NotFound) as error:
        if not was_ours:
            record.remove(new)
        raise UserError(taken if isinstance(error, AlreadyExists) else gone) from None
    record.remove(state.name)
    return renamed


def what_replacement_means(name: str, fields: Sequence[str]) -> str:
    """Return what a change of the profile comes to."""
    return (
        f"user `{name}`: Headscale cannot change {' and '.join(fields)} of a user; it is deleted and made anew with "
        "another id, and so are its keys. That is refused while it has nodes"
    )


def make_way(
    client: HeadscaleClient, state: Known, new: str, now: datetime, record: Record, *, wiped: WipedKeys | None = None
) -> list[str]:
    """Delete a user that is replaced because its profile changed, which Headscale cannot do otherwise.

    Its nodes never go for that, whatever is declared: a person's name is not worth their machines.

    Args:
        client: The Headscale.
        state: The user; one that is gone is done.
        new: The name that the other one is to have.
        now: The time.
        record: Which users are ours.
        wiped: See `delete`.

    Returns:
        The Secrets whose keys were made anew.

    Raises:
        UserError: When it has nodes, comes from an identity provider, or the other one could not be made.
    """
    user = find(client, state)
    if user is None:
        return []
    others = _others(client, state, new)
    if others:
        raise UserError(
            f"user `{state.name}` cannot be made anew with another profile: `{new}` is also the name of "
            f"{_shown(others)}; take the change back, or choose a name that is free"
        )
    if user.provider_id:
        raise UserError(
            f"user `{user.name}` (id {user.id}) comes from the identity provider `{user.provider}`, which alone sets "
            "its profile: take the changed fields out again"
        )
    nodes = nodes_of(client, user)
    if nodes:
        raise UserError(
            f"Headscale cannot change the profile of a user, only make another one, and `{user.name}` has nodes: "
            f"{_named(nodes)}; take the change back, or delete them first by `headscale nodes delete`"
        )
    return delete(client, state, now, record, wiped=wiped)


def delete(
    client: HeadscaleClient,
    state: Known,
    now: datetime,
    record: Record,
    *,
    delete_nodes: bool = False,
    wiped: WipedKeys | None = None,
) -> list[str]:
    """Delete the user; one that is gone is done.

    Args:
        client: The Headscale.
        state: The user.
        now: The time.
        record: Which users are ours.
        delete_nodes: Whether its nodes go first; they have to join anew.
        wiped: Where 0.28 deletes everybody's keys with a user: makes ours anew; None to refuse the deletion instead.

    Returns:
        The Secrets whose keys were made anew.

    Raises:
        UserError: When it has nodes, or when Headscale would delete other people's keys with it.
    """
    user = find(client, state)
    wiped = wiped if client.minor_version() == WIPES_ALL_KEYS else None
    if user is None:
        if not client.list_users(name=state.name):
            record.remove(state.name)
        return wiped.remake(User(int(state.user_id), state.name)) if wiped else []
    nodes = nodes_of(client, user)
    if nodes and not delete_nodes:
        raise UserError(_has_nodes(user, nodes))
    if wiped:
        wiped.prepare(user)
    elif client.minor_version() == WIPES_ALL_KEYS:
        _keep_keys_of_others(client, user, now)
    for node in nodes:
        client.delete_node(node.id)
    try:
        client.delete_user(user.id)
    except NotFound:
        pass
    except FailedPrecondition:
        raise UserError(_has_nodes(user, nodes_of(client, user))) from None
    remade = wiped.remake(user) if wiped else []
    record.remove(user.name)
    return remade


def _others(client: HeadscaleClient, state: Known, name: str) -> list[User]:
    """Return other users of a name: a local one, and those of identity providers."""
    return [user for user in client.list_users(name=name) if str(user.id) != state.user_id]


def find(client: HeadscaleClient, state: Known) -> User | None:
    """Return the user that the state knows, None where it is gone."""
    user = next(iter(client.list_users(user_id=int(state.user_id))), None)
    return user if user and state.is_it(user) else None


def nodes_of(client: HeadscaleClient, user: User) -> list[Node]:
    """Return the nodes that keep a user from being deleted: its own, and tagged ones that joined by its keys."""
    return [
        node
        for node in client.list_nodes()
        if (node.user and node.user.id == user.id) or node.pre_auth_key_user_id == user.id
    ]


def _has_nodes(user: User, nodes: list[Node]) -> str:
    return (
        f"user `{user.name}` still has nodes: {_named(nodes)}; delete them first by `headscale nodes delete`, leave "
        "the user declared, or write `forceDelete: true` and run `pulumi up` before you remove it: its nodes then go "
        "with it"
    )


def _named(nodes: list[Node]) -> str:
    return ", ".join(f"{node.given_name} (id {node.id})" for node in nodes) or "tagged ones that came from it"


def _keep_keys_of_others(client: HeadscaleClient, user: User, now: datetime) -> None:
    others = [key for key in client.list_pre_auth_keys() if is_usable(key, now) and not _belongs_to(key, user)]
    if others:
        raise UserError(
            f"deleting user `{user.name}` would delete {len(others)} preauth key(s) that are not its own: Headscale "
            "0.28 deletes everybody's (headscale issue 3154); upgrade to 0.29 first, or write "
            "`keysOnUserDeletion: remake` for the instance: the keys of this stack are then made anew right away"
        )


def is_usable(key: PreAuthKey, now: datetime) -> bool:
    """Return whether a node can join by a key."""
    return key.expiration is not None and key.expiration > now and (key.reusable or not key.used)


def _belongs_to(key: PreAuthKey, user: User) -> bool:
    return key.user is not None and key.user.id == user.id
