"""What programs read from a running Headscale, as Outputs.

A preview of an instance that is not there yet has nothing to read: the Outputs are unknown then, as those of any
resource that is to be created. The same holds, with a warning, for a preview that cannot reach the Headscale.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pulumi
from pulumi.output import Unknown

from dynamic_providers.admin.channel import Channel, ChannelError, Settings
from dynamic_providers.connection import HeadscaleConnection
from headscale_core import HeadscaleClient, HeadscaleError, Node, NotFound, User

Found = TypeVar("Found")

_PREVIEW_CONNECT_TIMEOUT_SECONDS = 5.0
_CONNECT_TIMEOUT_SECONDS = 40.0


def get_user(
    connection: HeadscaleConnection, name: str, *, after: Sequence[pulumi.CustomResource] = ()
) -> pulumi.Output[User]:
    """Return a user, with its id.

    Args:
        connection: The Headscale.
        name: The user's name.
        after: Resources that are to be there first.

    Raises:
        pulumi.RunError: When there is none of this name, or more than one; the program fails with it.
    """

    def query(client: HeadscaleClient) -> User:
        found = client.list_users(name=name)
        if len(found) != 1:
            ids = f"more than one (ids {', '.join(str(user.id) for user in found)})" if found else "none"
            raise pulumi.RunError(f"there is {ids} with the name `{name}` in Headscale")
        return found[0]

    return _read(connection, query, after)


def list_nodes(
    connection: HeadscaleConnection, *, user: str | None = None, after: Sequence[pulumi.CustomResource] = ()
) -> pulumi.Output[list[Node]]:
    """Return the nodes of a tailnet: all, or those of a user.

    Args:
        connection: The Headscale.
        user: The user's name.
        after: Resources that are to be there first.
    """
    return _read(connection, lambda client: client.list_nodes(user), after)


def get_policy(connection: HeadscaleConnection, *, after: Sequence[pulumi.CustomResource] = ()) -> pulumi.Output[str]:
    """Return the stored policy as HuJSON, empty where there is none and Headscale allows everything.

    Args:
        connection: The Headscale.
        after: Resources that are to be there first.
    """

    def query(client: HeadscaleClient) -> str:
        try:
            return client.get_policy()
        except NotFound:
            return ""

    return _read(connection, query, after)


def _read(
    connection: HeadscaleConnection,
    query: Callable[[HeadscaleClient], Found],
    after: Sequence[pulumi.CustomResource] = (),
) -> pulumi.Output[Found]:
    async def run(known: list[Any]) -> Found:
        settings: Settings = known[0]
        return await asyncio.to_thread(_run, settings, query)

    # The settings are secret, and what is found is not.
    return pulumi.Output.unsecret(pulumi.Output.all(connection.settings, *(value.id for value in after)).apply(run))


def _run(settings: Settings, query: Callable[[HeadscaleClient], Found]) -> Found:
    in_preview = pulumi.runtime.is_dry_run()
    channel = Channel(
        settings, connect_timeout_seconds=_PREVIEW_CONNECT_TIMEOUT_SECONDS if in_preview else _CONNECT_TIMEOUT_SECONDS
    )
    try:
        with channel.session() as client:
            return query(client)
    except HeadscaleError as error:
        raise pulumi.RunError(str(error)) from None
    except ChannelError as error:
        if not in_preview:
            # The program ends with the sentence alone, and no traceback.
            raise pulumi.RunError(str(error)) from None
        pulumi.log.warn(f"not known in this preview: {error}")
        unknown: Found = Unknown()  # type: ignore[assignment, no-untyped-call]
        return unknown
    finally:
        channel.close()
