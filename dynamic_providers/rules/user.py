"""The rules of a user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headscale_api import AlreadyExists, FailedPrecondition, HeadscaleClient, NotFound, PreAuthKey, User

_WIPES_ALL_KEYS = 28
"""Deleting any user on 0.28 deletes the preauth keys of all (headscale issue 3154, mended in 0.29)."""


class UserError(Exception):
    """Something about a user that a person has to decide."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is declared of a user besides its name; Headscale can set it at creation only."""

    display_name: str = ""
    email: str = ""
    picture_url: str = ""

    def differences(self, user: User) -> list[str]:
        """Return what a user in Headscale has otherwise."""
        pairs = (
            ("displayName", self.display_name, user.display_name),
            ("email", self.email, user.email),
            ("pictureURL", self.picture_url, user.picture_url),
        )
        return [f"{name} is `{found}` and not `{wanted}`" for name, wanted, found in pairs if wanted != found]


def find_or_create(client: HeadscaleClient, name: str, profile: Profile) -> User:
    """Make a user, or take the one that is exactly so: what an interrupted run made is found again.

    Raises:
        UserError: When one of this name is otherwise.
    """
    found = _local(client, name)
    if found is None:
        try:
            return client.create_user(
                name, display_name=profile.display_name, email=profile.email, picture_url=profile.picture_url
            )
        except AlreadyExists:
            found = _local(client, name)
            if found is None:
                raise
    differences = profile.differences(found)
    if differences:
        raise UserError(
            f"user `{name}` exists already (id {found.id}) and {', '.join(differences)}; Headscale cannot change that: "
            "declare it as it is, or delete it by `headscale users delete` if nobody needs it"
        )
    return found


def read(client: HeadscaleClient, user_id: str) -> User | None:
    """Return the user as it is, None where it is gone."""
    return next(iter(client.list_users(user_id=int(user_id))), None)


def rename(client: HeadscaleClient, user_id: str, name: str) -> User:
    """Give the user another name; its id, nodes and keys stay.

    Raises:
        UserError: When the name is taken.
    """
    try:
        return client.rename_user(int(user_id), name)
    except AlreadyExists:
        raise UserError(f"the user cannot be called `{name}`: another one is; choose a name that is free") from None


def delete(client: HeadscaleClient, user_id: str, now: datetime) -> None:
    """Delete the user; one that is gone is done.

    Raises:
        UserError: When it has nodes, or when Headscale would delete other people's keys with it.
    """
    user = read(client, user_id)
    if user is None:
        return
    if client.minor_version() == _WIPES_ALL_KEYS:
        _refuse_to_wipe_keys(client, user, now)
    try:
        client.delete_user(user.id)
    except NotFound:
        return
    except FailedPrecondition:
        nodes = [node.given_name for node in client.list_nodes() if node.user and node.user.id == user.id]
        raise UserError(
            f"user `{user.name}` still has nodes ({', '.join(nodes) or 'tagged ones that came from it'}); "
            "delete them first by `headscale nodes delete`, or leave the user declared"
        ) from None


def _refuse_to_wipe_keys(client: HeadscaleClient, user: User, now: datetime) -> None:
    others = [key for key in client.list_pre_auth_keys() if _usable(key, now) and not _belongs_to(key, user)]
    if others:
        raise UserError(
            f"deleting user `{user.name}` would delete {len(others)} preauth key(s) that are not its own: Headscale "
            "0.28 deletes everybody's (headscale issue 3154); upgrade to 0.29 first, or end those keys"
        )


def _usable(key: PreAuthKey, now: datetime) -> bool:
    return key.expiration is not None and key.expiration > now and (key.reusable or not key.used)


def _belongs_to(key: PreAuthKey, user: User) -> bool:
    return key.user is not None and key.user.id == user.id


def _local(client: HeadscaleClient, name: str) -> User | None:
    """Return the user of a name that is not an identity provider's; there is at most one."""
    return next((user for user in client.list_users(name=name) if not user.provider_id), None)
