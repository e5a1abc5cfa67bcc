"""The order in which a large program's resources reach the engine."""

from __future__ import annotations

import contextlib
from collections import deque

import pulumi

USERS_AT_ONCE = 6
"""Users that are registered at the same time.

The SDK registers from a queue, first in, first out, by as many threads as `pulumi up --parallel` says. Headscale hashes
one preauth key after another, 50 ms each: where all keys wait behind all users, nothing is hashed meanwhile. With few
users at a time a key enters the queue soon after its user. 200 of each took 17.4 s without and 15.2 s with it.
"""


class ConcurrencyLimit:
    """Lets a resource be registered when the one that came so many before it is.

    It adds no dependency to the state, and none to the order of deletion.

    Args:
        at_once: How many resources are registered at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._waiting: deque[pulumi.Resource] = deque(maxlen=at_once)

    def slot(self) -> pulumi.Output[list[pulumi.Input[pulumi.Resource]]] | None:
        """Return what goes into `depends_on` of the next resource: an empty list, once there is room for it."""
        full = len(self._waiting) == self._waiting.maxlen
        return pulumi.Output.from_input(_registered(self._waiting[0])) if full else None

    def add(self, resource: pulumi.Resource) -> None:
        """Count a resource, which is being registered from now on."""
        self._waiting.append(resource)


async def _registered(resource: pulumi.Resource) -> list[pulumi.Input[pulumi.Resource]]:
    # One that fails ends the program by itself; who waits for it is not to fail for another reason.
    with contextlib.suppress(Exception):
        await resource.urn.future()
    return []
