"""The rules of a user."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from headscale_core import AlreadyExists, FailedPrecondition, HeadscaleClient, Node, NotFound, User
from headscale_core.users.adoption import find_or_create
from headscale_core.users.identity import (
    KeyRecovery,
    Profile,
    UserError,
    UserRef,
    UserRegistry,
    belongs_to,
    declared_name,
    format_users,
    has_no_name,
    is_usable,
    nodes_of,
)
from headscale_core.values.versions import WIPES_ALL_KEYS_ON_USER_DELETION

__all__ = [
    "KeyRecovery",
    "Profile",
    "UserError",
    "UserRef",
    "UserRegistry",
    "declared_name",
    "delete",
    "delete_for_replacement",
    "find",
    "find_or_create",
    "is_usable",
    "nodes_of",
    "rename",
    "replacement_warning",
]


def rename(client: HeadscaleClient, state: UserRef, new: str, registry: UserRegistry) -> User:
    """Give the user another name; its id, nodes and keys stay.

    Raises:
        UserError: When the name is taken, or the user is gone.
    """
    gone = f"user `{state.name}` (id {state.user_id}) is gone: `pulumi refresh` notices, and recreates it"
    taken = f"the user cannot be called `{new}`: another one is; choose a name that is free"
    user = find(client, state)
    if user is None:
        raise UserError(gone)
    if _others(client, state, new):
        raise UserError(taken)
    was_ours = registry.contains(new)
    registry.add(new)
    if has_no_name(user):
        # Its identity provider gives it none: it is declared otherwise, and stays as it is.
        registry.remove(state.name)
        return user
    try:
        renamed = client.rename_user(int(state.user_id), new)
    except (AlreadyExists, NotFound) as error:
        if not was_ours:
            registry.remove(new)
        raise UserError(taken if isinstance(error, AlreadyExists) else gone) from None
    registry.remove(state.name)
    return renamed


def replacement_warning(name: str, fields: Sequence[str]) -> str:
    """Return the warning that a changed profile replaces the user."""
    return (
        f"user `{name}`: Headscale cannot change {' and '.join(fields)} of a user; it is deleted and recreated with "
        "another id, and so are its keys. That is refused while it has nodes"
    )


def delete_for_replacement(
    client: HeadscaleClient,
    state: UserRef,
    new: str,
    now: datetime,
    registry: UserRegistry,
    *,
    recovery: KeyRecovery | None = None,
) -> list[str]:
    """Delete a user that is replaced because its profile changed, which Headscale cannot do otherwise (see `Profile`).

    Its nodes never go for that, whatever is declared: a person's name is not worth their machines.

    Args:
        client: The Headscale.
        state: The user; one that is gone is done.
        new: The name that the other one is to have.
        now: The time.
        registry: The users that this stack created or adopted.
        recovery: See `delete`.

    Returns:
        The Secrets whose keys were recreated.

    Raises:
        UserError: When it has nodes, comes from an identity provider, or the other one could not be created.
    """
    user = find(client, state)
    if user is None:
        return []
    others = _others(client, state, new)
    if others:
        raise UserError(
            f"user `{state.name}` cannot be recreated with another profile: `{new}` is also the name of "
            f"{format_users(others, called=new)}; take the change back, or choose a name that is free"
        )
    if user.provider_id:
        raise UserError(
            f"user `{user.name}` (id {user.id}) comes from the identity provider `{user.provider}`, which alone sets "
            "its profile: take the changed fields out again"
        )
    nodes = nodes_of(client, user)
    if nodes:
        raise UserError(
            f"Headscale cannot change the profile of a user, only create another one, and `{user.name}` has nodes: "
            f"{_named(nodes)}; take the change back, or delete them first by `headscale nodes delete`"
        )
    return delete(client, state, now, registry, recovery=recovery)


def delete(
    client: HeadscaleClient,
    state: UserRef,
    now: datetime,
    registry: UserRegistry,
    *,
    delete_nodes: bool = False,
    recovery: KeyRecovery | None = None,
) -> list[str]:
    """Delete the user; one that is gone is done.

    Args:
        client: The Headscale.
        state: The user.
        now: The time.
        registry: The users that this stack created or adopted.
        delete_nodes: Whether its nodes go first; they have to join again.
        recovery: Where 0.28 deletes everybody's keys with a user: recreates ours; None to refuse the deletion instead.

    Returns:
        The Secrets whose keys were recreated.

    Raises:
        UserError: When it has nodes, or when Headscale would delete other people's keys with it.
    """
    user = find(client, state)
    recovery = recovery if client.supports(WIPES_ALL_KEYS_ON_USER_DELETION) else None
    if user is None:
        if not client.list_users(name=state.name):
            registry.remove(state.name)
        return recovery.recreate(User(int(state.user_id), state.name)) if recovery else []
    nodes = nodes_of(client, user)
    if nodes and not delete_nodes:
        raise UserError(_has_nodes(user, nodes))
    if recovery:
        recovery.prepare(user)
    elif client.supports(WIPES_ALL_KEYS_ON_USER_DELETION):
        _keep_keys_of_others(client, user, now)
    for node in nodes:
        client.delete_node(node.id)
    try:
        client.delete_user(user.id)
    except NotFound:
        pass
    except FailedPrecondition:
        raise UserError(_has_nodes(user, nodes_of(client, user))) from None
    recreated = recovery.recreate(user) if recovery else []
    for name in {state.name, user.name}:
        registry.remove(name)
    return recreated


def _others(client: HeadscaleClient, state: UserRef, name: str) -> list[User]:
    """Return other users of a name: a local one, and those of identity providers."""
    return [user for user in client.list_users(name=name) if str(user.id) != state.user_id]


def find(client: HeadscaleClient, state: UserRef) -> User | None:
    """Return the user that the state knows, None where it is gone."""
    user = next(iter(client.list_users(user_id=int(state.user_id))), None)
    return user if user and state.is_same_user(user) else None


def _has_nodes(user: User, nodes: list[Node]) -> str:
    return (
        f"user `{user.name}` still has nodes: {_named(nodes)}; delete them first by `headscale nodes delete`, leave "
        "the user declared, or write `forceDelete: true` and run `pulumi up` before you remove it: its nodes then go "
        "with it"
    )


def _named(nodes: list[Node]) -> str:
    return ", ".join(f"{node.given_name} (id {node.id})" for node in nodes) or "tagged ones that came from it"


def _keep_keys_of_others(client: HeadscaleClient, user: User, now: datetime) -> None:
    others = [key for key in client.list_pre_auth_keys() if is_usable(key, now) and not belongs_to(key, user)]
    if others:
        raise UserError(
            f"deleting user `{user.name}` would delete {len(others)} preauth key(s) that are not its own: Headscale "
            "0.28 deletes everybody's (https://github.com/juanfont/headscale/issues/3154); upgrade to 0.29 first, or "
            "write `keysOnUserDeletion: recreate` for the instance: the keys of this stack are then recreated at once"
        )
