"""Rules between users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.errors import Problem
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import rule, value_or_none
from headscale_core.values.versions import CHECKS_USER_NAMES

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs


@rule
def check_user_names(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find users that two declarations mean: by a user's id, by its name before, or by a name that is taken."""
    adopted: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name, user in instance.users.items():
        adopt, before = value_or_none(user, "adopt"), value_or_none(user, "renamed_from")
        if isinstance(adopt, str) and adopted.setdefault(adopt, name) != name:
            text = f"`{adopt}` is adopted by `{adopted[adopt]}` too; one of them is wrong"
            yield Problem(("users", name, "adopt"), text)
        yield from _check_deletion(name, user)
        yield from _check_version(name, instance)
        if before is None:
            continue
        first, path = renamed.setdefault(before, name), ("users", name, "renamedFrom")
        if before == name:
            yield Problem(path, "is the name that it has; leave it out")
        elif before in instance.users:
            yield Problem(
                path,
                f"`{before}` is still under `users`; where that is the same person, remove it there; where names are "
                "passed on or swapped, rename one user in each `pulumi up`, by a name in between",
            )
        elif first != name:
            yield Problem(path, f"`{first}` is renamed from `{before}` too; keep one of them")


@rule
def _check_version(name: str, instance: HeadscaleArgs) -> Iterator[Problem]:
    if instance.minor_version is None or not CHECKS_USER_NAMES.is_in(instance.minor_version):
        return
    adopt = instance.users[name].adopt
    is_adopted = instance.adopt_users if adopt is None else bool(adopt)
    if not is_adopted and (len(name) == 1 or name[0].isdecimal() or "+" in name):
        yield Problem(
            ("users", name),
            "Headscale 0.26 takes names of two characters or more that do not begin with a digit, without `+`; choose "
            "another name, or upgrade to 0.27",
        )


@rule
def _check_deletion(name: str, user: UserSpec) -> Iterator[Problem]:
    if user.force_delete and user.retain:
        yield Problem(("users", name), "`forceDelete` and `retain` contradict each other; keep one of them")
