"""How a user is found, adopted or made."""

from __future__ import annotations

from headscale_core import AlreadyExists, HeadscaleClient, User
from headscale_core.users.identity import Profile, Record, UserError, belongs_to, has_no_name, nodes_of, shown


def find_or_create(
    client: HeadscaleClient, name: str, profile: Profile, record: Record, *, adopt: str | None = None
) -> User:
    """Make a user, or take the one that an interrupted run or an earlier stack of ours made, or adopt one.

    Args:
        client: The Headscale.
        name: The name under which it is declared.
        profile: What is declared of it.
        record: Which users are ours.
        adopt: None to take nobody else's. `true` to adopt the one of this name where there is one; where there is
            none and the name is an e-mail address, the one to whom an identity provider gave it and no name. An id to
            adopt that very user, and never to make one.

    Raises:
        UserError: When one of this name exists that may not be taken, or is otherwise; when nobody has the id.
    """
    if adopt not in (None, "true"):
        return _noted(_of_id(client, name, adopt), name, profile, record)
    found = client.list_users(name=name)
    local = next((user for user in found if not user.provider_id), None)
    if local is not None and _is_owned(client, local, profile, record):
        return _as_declared(local, profile.differences(local))
    if not found and adopt and "@" in name:
        found = _of_email(client, name)
    if found:
        return _noted(_adopted(name, found, adopt), name, profile, record)
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


def _noted(user: User, name: str, profile: Profile, record: Record) -> User:
    """Return an adopted user, noted as ours from now on."""
    _as_declared(user, profile.differences(user))
    record.add(name)
    return user


def _of_id(client: HeadscaleClient, name: str, user_id: str) -> User:
    """Return the user of an id, if it may be declared under a name."""
    user = next(iter(client.list_users(user_id=int(user_id))), None)
    if user is None:
        raise UserError(
            f"no user with id {user_id} is there to be adopted as `{name}`; there is {shown(client.list_users())}"
        )
    if user.name != name and not has_no_name(user):
        raise UserError(
            f"the user with id {user_id} is called `{user.name}` and not `{name}`: declare it as `{user.name}`, or "
            f"write the right id; of `{name}` there is {shown(client.list_users(name=name), called=name)}"
        )
    return user


def _of_email(client: HeadscaleClient, address: str) -> list[User]:
    """Return the users to whom an identity provider gave an e-mail address."""
    value = [user for user in client.list_users() if user.provider_id and user.email.casefold() == address.casefold()]
    named = [user for user in value if not has_no_name(user)]
    if named:
        raise UserError(
            f"`{address}` is the e-mail address of a user with a name: {shown(named)}; declare it under that name"
        )
    return value


def _is_owned(client: HeadscaleClient, user: User, profile: Profile, record: Record) -> bool:
    """Return whether we made a user. With no record, one that is exactly so and has nothing to lose counts as ours."""
    noted = record.holds(user.name)
    if noted is not None:
        return noted
    keys = any(belongs_to(key, user) for key in client.list_pre_auth_keys())
    return not profile.differences(user, declared_only=False) and not keys and not nodes_of(client, user)


def _adopted(name: str, found: list[User], adopt: str | None) -> User:
    candidates = shown(found, called=name)
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
