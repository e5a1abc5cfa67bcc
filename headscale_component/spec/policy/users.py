"""How a policy names users: by name, by e-mail address, or by the id at their identity provider.

Headscale takes one `@` off the end of a name, and asks for one somewhere (hscontrol/policy/v2/types.go, `resolveUser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headscale_component.spec.policy.document import Version
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import value_or_none
from headscale_core.values.versions import UNIQUE_NAMES_IN_POLICY


def names_of(users: Mapping[str, UserSpec]) -> Iterator[str]:
    """Yield every name by which a policy may call the declared users."""
    for name, user in users.items():
        for known_as in filter(None, (name, _email(user))):
            yield f"{known_as}@"
            if "@" in known_as:
                yield known_as


def matching_users(alias: str, users: Mapping[str, UserSpec]) -> list[str]:
    """Return the declared users whom a name in a policy means."""
    token = alias.removesuffix("@")
    return [name for name, user in users.items() if token in (name, _email(user))]


def ambiguous(alias: str, users: Mapping[str, UserSpec], version: Version | None) -> str | None:
    """Return what is wrong with a name that two declared users bear, None for nothing."""
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
