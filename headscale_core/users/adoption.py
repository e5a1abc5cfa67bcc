"""How a user is found, adopted or created."""

from __future__ import annotations

from headscale_core import AlreadyExists, HeadscaleClient, User
from headscale_core.users.identity import (
    Profile,
    UserError,
    UserRegistry,
    belongs_to,
    format_users,
    has_no_name,
    nodes_of,
)


def find_or_create(
    client: HeadscaleClient, name: str, profile: Profile, registry: UserRegistry, *, adopt: str | None = None
) -> User:
    """Create a user, or take the one that an interrupted run or an earlier stack created, or adopt one.

    Args:
        client: The Headscale.
        name: The name under which it is declared.
        profile: What is declared of it.
        registry: The users that this stack created or adopted.
        adopt: None to take nobody else's. `true` to adopt the one of this name where there is one; where there is
            none and the name is an e-mail address, the one to whom an identity provider gave it and no name. An id to
            adopt that very user, and never to create one.

    Raises:
        UserError: When one of this name exists that may not be taken, or is otherwise; when nobody has the id.
    """
    if adopt not in (None, "true"):
        return _register(_of_id(client, name, adopt), name, profile, registry)
    found = client.list_users(name=name)
    local = next((user for user in found if not user.provider_id), None)
    if local is not None and _is_owned(client, local, profile, registry):
        return _as_declared(local, profile.differences(local))
    if not found and adopt and "@" in name:
        found = _of_email(client, name)
    if found:
        return _register(_adopted(name, found, adopt), name, profile, registry)
    registry.add(name)
    try:
        return client.create_user(
            name, display_name=profile.display_name, email=profile.email, picture_url=profile.picture_url
        )
    except AlreadyExists:
        # A call that lost its connection may have created it all the same: the registry has it.
        created = next((user for user in client.list_users(name=name) if not user.provider_id), None)
        if created is None:
            raise
        return _as_declared(created, profile.differences(created))


def _register(user: User, name: str, profile: Profile, registry: UserRegistry) -> User:
    """Return an adopted user, after it was added to the registry."""
    _as_declared(user, profile.differences(user))
    registry.add(name)
    return user


def _of_id(client: HeadscaleClient, name: str, user_id: str) -> User:
    """Return the user of an id, if it may be declared under a name."""
    user = next(iter(client.list_users(user_id=int(user_id))), None)
    if user is None:
        raise UserError(
            f"no user with id {user_id} is there to be adopted as `{name}`; there is "
            f"{format_users(client.list_users())}"
        )
    if user.name != name and not has_no_name(user):
        raise UserError(
            f"the user with id {user_id} is called `{user.name}` and not `{name}`: declare it as `{user.name}`, or "
            f"write the right id; of `{name}` there is {format_users(client.list_users(name=name), called=name)}"
        )
    return user


def _of_email(client: HeadscaleClient, address: str) -> list[User]:
    """Return the users to whom an identity provider gave an e-mail address."""
    value = [user for user in client.list_users() if user.provider_id and user.email.casefold() == address.casefold()]
    named = [user for user in value if not has_no_name(user)]
    if named:
        raise UserError(
            f"`{address}` is the e-mail address of a user with a name: {format_users(named)}; declare it under "
            "that name"
        )
    return value


def _is_owned(client: HeadscaleClient, user: User, profile: Profile, registry: UserRegistry) -> bool:
    """Return whether this stack created a user; without a registry, an equal one that has nothing to lose counts."""
    is_ours = registry.contains(user.name)
    if is_ours is not None:
        return is_ours
    keys = any(belongs_to(key, user) for key in client.list_pre_auth_keys())
    return not profile.differences(user, declared_only=False) and not keys and not nodes_of(client, user)


def _adopted(name: str, found: list[User], adopt: str | None) -> User:
    candidates = format_users(found, called=name)
    if adopt is None:
        raise UserError(
            f"user `{name}` exists already ({candidates}) and is not this stack's: write `adopt: true` to keep it from "
            "now on, or `adoptUsers: true` for all users of the instance"
        )
    if len(found) > 1:
        raise UserError(
            f"more than one user is called `{name}` ({candidates}): write which one, as `adopt: {found[0].id}`"
        )
    return found[0]


def _as_declared(user: User, differences: list[str]) -> User:
    if differences:
        raise UserError(
            f"user `{user.name}` exists already (id {user.id}) and {', '.join(differences)}; Headscale cannot change "
            "that: declare it as it is, or delete it by `headscale users delete` if nobody needs it"
        )
    return user
