"""From Headscale's messages to our values: pure functions, for whatever transport carried the message."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.client.models import ApiKey, Node, PreAuthKey, User


def timestamp(time: datetime) -> Timestamp:
    """Return a time as protobuf writes it."""
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC))
    return stamp


def time_of(message: wire.User | wire.PreAuthKey | wire.ApiKey | wire.Node, field: str) -> datetime | None:
    """Return a time field; None where it is absent, or Headscale's zero time, the year 1."""
    if not message.HasField(field):
        return None
    time: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    return time if time.year > 1 else None


def _bare_prefix(shown: str) -> str:
    """Return the prefix alone: 0.28 and newer list it as `hskey-api-<prefix>-***`.

    https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/types/api_key.go
    """
    return shown.removeprefix("hskey-api-").removesuffix("-***")


def api_key_of(key: wire.ApiKey) -> ApiKey:
    """Return an API key."""
    return ApiKey(key.id, _bare_prefix(key.prefix), time_of(key, "expiration"), time_of(key, "created_at"))


def user_of(user: wire.User) -> User:
    """Return a user."""
    return User(
        user.id,
        user.name,
        user.display_name,
        user.email,
        user.profile_pic_url,
        user.provider,
        user.provider_id,
        time_of(user, "created_at"),
    )


def pre_auth_key_of(key: wire.PreAuthKey) -> PreAuthKey:
    """Return a preauth key; one with tags alone has no user."""
    return PreAuthKey(
        id=key.id,
        key=key.key,
        user=user_of(key.user) if key.HasField("user") and key.user.id else None,
        reusable=key.reusable,
        ephemeral=key.ephemeral,
        used=key.used,
        expiration=time_of(key, "expiration"),
        created_at=time_of(key, "created_at"),
        tags=tuple(key.acl_tags),
    )


def node_of(node: wire.Node) -> Node:
    """Return a node; its tags are in one list from 0.28 on, and in two before.

    https://github.com/juanfont/headscale/blob/v0.28.0/proto/headscale/v1/node.proto
    """
    return Node(
        id=node.id,
        name=node.name,
        given_name=node.given_name,
        user=user_of(node.user) if node.HasField("user") else None,
        tags=tuple(node.tags) or tuple(sorted({*node.forced_tags, *node.valid_tags})),
        online=node.online,
        ip_addresses=tuple(node.ip_addresses),
        pre_auth_key_id=node.pre_auth_key.id if node.HasField("pre_auth_key") else None,
        pre_auth_key_user_id=node.pre_auth_key.user.id or None if node.HasField("pre_auth_key") else None,
        expiry=time_of(node, "expiry"),
        last_seen=time_of(node, "last_seen"),
    )
