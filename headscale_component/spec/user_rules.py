"""Rules between users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.errors import Problem
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import rule, value_or_none

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
def _check_deletion(name: str, user: UserSpec) -> Iterator[Problem]:
    if user.force_delete and user.retain:
        yield Problem(("users", name), "`forceDelete` and `retain` contradict each other; keep one of them")
