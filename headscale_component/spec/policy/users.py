"""How a policy names users: by name, by e-mail address, or by the id at their identity provider.

Headscale takes one `@` off the end of a name, and asks for one somewhere (hscontrol/policy/v2/types.go, `resolveUser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headscale_component.spec.policy.document import Version
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import value_or_none
from headscale_core.values.versions import UNIQUE_NAMES_IN_POLICY

UsersByToken = Mapping[str, list[str]]
"""The names of declared users by what a policy may call them, without the `@` at its end."""


def names_of(users: Mapping[str, UserSpec]) -> Iterator[str]:
    """Yield every name by which a policy may call the declared users."""
    for name, user in users.items():
        for known_as in filter(None, (name, _email(user))):
            yield f"{known_as}@"
            if "@" in known_as:
                yield known_as


def users_by_token(users: Mapping[str, UserSpec]) -> UsersByToken:
    """Return the declared users by each name or e-mail address of theirs."""
    found: dict[str, list[str]] = {}
    for name, user in users.items():
        for token in filter(None, {name, _email(user)}):
            found.setdefault(token, []).append(name)
    return found


def matching_users(alias: str, users: UsersByToken) -> list[str]:
    """Return the declared users whom a name in a policy means."""
    return users.get(alias.removesuffix("@"), [])


def ambiguous(alias: str, users: UsersByToken, version: Version | None) -> str | None:
    """Return what is wrong with a name that is of two declared users, None for nothing."""
    found = matching_users(alias, users)
    if len(found) < 2 or version is None or not UNIQUE_NAMES_IN_POLICY.is_in(version):  # noqa: PLR2004 - one is right
        return None
    clear = [f"`{name}@`" for name in found if matching_users(f"{name}@", users) == [name]]
    remedy = f"write {' or '.join(clear)}" if clear else "rename one of them"
    several = " and ".join(f"`{name}`" for name in found)
    return (
        f"`{alias}` is the name or the e-mail address of {several}, which Headscale 0.29 and newer refuse; {remedy}, "
        "or give them e-mail addresses of their own"
    )


def _email(user: UserSpec) -> str | None:
    email: str | None = value_or_none(user, "email")
    return email
