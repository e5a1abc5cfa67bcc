"""A typed client of one Headscale, whatever differs between its versions on the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.client.errors import NotFound, Unsupported
from headscale_core.client.grpc_transport import NOBODY, GrpcTransport, Transport
from headscale_core.client.models import ApiKey, Node, PreAuthKey, User

_CHANNEL_OPTIONS: list[tuple[str, str | int]] = [
    # A port-forward can die without a word; a ping tells.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A broken connection is found out by the next call, not after a minute of growing pauses.
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

_PROBE_SECONDS = 2.0

TAGS_ALONE_SINCE = 28
"""The minor version from which keys have ids of their own, and may belong to tags alone."""

POLICY_CHECK_SINCE = 29
"""The minor version from which the server checks a policy without storing it."""


def _rest_transport(url: str, **options: Any) -> Transport:  # noqa: ANN401 - as `RestTransport` takes them
    """Return a transport by REST; httpx is slow to load, and few need it."""
    from headscale_core.client.rest_transport import RestTransport  # noqa: PLC0415 - few need it

    return RestTransport(url, **options)


class HeadscaleClient:
    """Calls to one Headscale; safe to share between threads.

    Every call has a deadline and raises a `HeadscaleError` that names what went wrong. None is repeated in here:
    only the caller knows whether a repeat is safe.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._minor: int | None = None

    @classmethod
    def over_unix_socket(cls, path: str, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale behind a unix socket, which asks for no key and speaks gRPC up to 0.29."""
        if speaks_http(socket.AF_UNIX, path):
            return cls(_rest_transport("http://headscale", unix_socket=path, timeout_seconds=timeout_seconds))
        channel = grpc.insecure_channel(f"unix:{path}", options=_CHANNEL_OPTIONS)
        return cls(GrpcTransport(channel, path, timeout_seconds=timeout_seconds))

    @classmethod
    def over_relay(cls, host: str, port: int, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale whose unix socket is relayed to an address."""
        if speaks_http(socket.AF_INET, (host, port)):
            return cls(_rest_transport(f"http://{host}:{port}", timeout_seconds=timeout_seconds))
        return cls.over_tcp(f"{host}:{port}", timeout_seconds=timeout_seconds)

    @classmethod
    def over_http(
        cls,
        url: str,
        *,
        api_key: str,
        ca_certificate: bytes | None = None,
        server_name: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> Self:
        """Return a client that speaks REST (0.28 and newer).

        Args:
            url: `http(s)://host:port`.
            api_key: The key to show.
            ca_certificate: PEM of the authority to trust instead of the system's.
            server_name: The name to expect in the certificate, where it differs from the address.
            timeout_seconds: Deadline of each call.
        """
        trust = ssl.create_default_context(cadata=ca_certificate.decode()) if ca_certificate else None
        rest = _rest_transport(
            url, api_key=api_key, trust=trust, server_name=server_name, timeout_seconds=timeout_seconds
        )
        return cls(rest)

    @classmethod
    def over_tcp(
        cls,
        address: str,
        *,
        api_key: str | None = None,
        tls: bool = False,
        ca_certificate: bytes | None = None,
        server_name: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> Self:
        """Return a client of the Headscale at an address.

        Args:
            address: `host:port`.
            api_key: The key to show; None where it leads to the unix socket.
            tls: Whether to speak TLS.
            ca_certificate: PEM of the authority to trust instead of the system's.
            server_name: The name to expect in the certificate, where it differs from the address.
            timeout_seconds: Deadline of each call.
        """
        options = list(_CHANNEL_OPTIONS)
        if server_name:
            options.append(("grpc.ssl_target_name_override", server_name))
        if tls:
            credentials = grpc.ssl_channel_credentials(root_certificates=ca_certificate)
            channel = grpc.secure_channel(address, credentials, options=options)
        else:
            channel = grpc.insecure_channel(address, options=options)
        return cls(GrpcTransport(channel, address, api_key=api_key, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Give up the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def minor_version(self) -> int:
        """Return the server's minor version, 26 and above; found out once."""
        if self._minor is None:
            self._minor = self._transport.minor_version()
        return self._minor

    def health(self) -> None:
        """Ask whether Headscale and its database answer (0.27 and newer; before, look for a user that is not there)."""
        try:
            self._transport.call("Health", wire.Empty(), wire.Empty)
        except Unsupported:
            self.list_users(user_id=NOBODY)

    def list_users(self, *, name: str | None = None, user_id: int | None = None) -> list[User]:
        """Return the users: all, those of a name (several only with an identity provider), or the one of an id."""
        request = wire.ListUsersRequest(name=name or "", id=user_id or 0)
        answer = self._transport.call("ListUsers", request, wire.ListUsersResponse)
        return [_user(user) for user in answer.users]

    def create_user(self, name: str, *, display_name: str = "", email: str = "", picture_url: str = "") -> User:
        """Make a user; Headscale checks next to nothing of it.

        Raises:
            AlreadyExists: When the name is taken.
        """
        request = wire.CreateUserRequest(name=name, display_name=display_name, email=email, picture_url=picture_url)
        return _user(self._transport.call("CreateUser", request, wire.UserResponse).user)

    def rename_user(self, user_id: int, new_name: str) -> User:
        """Give a user another name; its id stays."""
        request = wire.RenameUserRequest(old_id=user_id, new_name=new_name)
        return _user(self._transport.call("RenameUser", request, wire.UserResponse).user)

    def delete_user(self, user_id: int) -> None:
        """Delete a user and its keys. On 0.28 this deletes the preauth keys of EVERYBODY (headscale issue 3154).

        Raises:
            NotFound: When there is no such user.
            FailedPrecondition: When it has nodes.
        """
        self._transport.call("DeleteUser", wire.DeleteUserRequest(id=user_id), wire.Empty)

    def list_pre_auth_keys(self) -> list[PreAuthKey]:
        """Return all preauth keys, expired ones too."""
        if self.minor_version() >= TAGS_ALONE_SINCE:
            return self._list_pre_auth_keys(wire.ListPreAuthKeysRequest())
        return [
            key
            for user in self.list_users()
            for key in self._list_pre_auth_keys(wire.ListPreAuthKeysRequest(user=user.id))
        ]

    def _list_pre_auth_keys(self, request: wire.ListPreAuthKeysRequest) -> list[PreAuthKey]:
        answer = self._transport.call("ListPreAuthKeys", request, wire.ListPreAuthKeysResponse)
        return [_pre_auth_key(key) for key in answer.pre_auth_keys]

    def create_pre_auth_key(
        self,
        *,
        user_id: int | None,
        expiration: datetime,
        reusable: bool = False,
        ephemeral: bool = False,
        tags: Sequence[str] = (),
    ) -> PreAuthKey:
        """Make a preauth key; the answer is the only place where its text is ever told.

        Args:
            user_id: The owner; None for a key with tags alone (0.28 and newer).
            expiration: When it ends. There is no `never`: without a time Headscale takes the year 1.
            reusable: Whether more than one node may join with it.
            ephemeral: Whether its nodes are removed when they are away.
            tags: Tags for its nodes.

        Raises:
            NotFound: When there is no such user.
            InvalidArgument: When a tag is wrong, or there is neither user nor tag.
        """
        request = wire.CreatePreAuthKeyRequest(
            user=user_id or 0,
            reusable=reusable,
            ephemeral=ephemeral,
            expiration=_timestamp(expiration),
            acl_tags=list(tags),
        )
        return _pre_auth_key(
            self._transport.call("CreatePreAuthKey", request, wire.CreatePreAuthKeyResponse).pre_auth_key
        )

    def expire_pre_auth_key(self, key: PreAuthKey) -> None:
        """End a preauth key now; the nodes that joined with it stay. An unknown one is passed over in silence."""
        self._transport.call("ExpirePreAuthKey", self._key_request(key), wire.Empty)

    def delete_pre_auth_key(self, key_id: int) -> None:
        """Delete a preauth key; before 0.28, which cannot, end it. One that is gone is passed over in silence."""
        if self.minor_version() >= TAGS_ALONE_SINCE:
            with contextlib.suppress(NotFound):
                self._transport.call("DeletePreAuthKey", wire.PreAuthKeyRequest(id=key_id), wire.Empty)
            return
        for key in self.list_pre_auth_keys():
            if key.id == key_id:
                self.expire_pre_auth_key(key)

    def _key_request(self, key: PreAuthKey) -> wire.PreAuthKeyRequest:
        """Name a key as this version does: field 1 was the user's id before it was the key's."""
        if self.minor_version() >= TAGS_ALONE_SINCE:
            return wire.PreAuthKeyRequest(id=key.id)
        return wire.PreAuthKeyRequest(id=key.user.id if key.user else 0, key=key.key)

    def list_api_keys(self) -> list[ApiKey]:
        """Return all API keys, expired ones too."""
        answer = self._transport.call("ListApiKeys", wire.Empty(), wire.ListApiKeysResponse)
        return [
            ApiKey(key.id, _bare_prefix(key.prefix), _time(key, "expiration"), _time(key, "created_at"))
            for key in answer.api_keys
        ]

    def create_api_key(self, expiration: datetime) -> str:
        """Make an API key and return its text, which is told here only; `api_key_prefix` names it afterwards."""
        request = wire.CreateApiKeyRequest(expiration=_timestamp(expiration))
        return str(self._transport.call("CreateApiKey", request, wire.CreateApiKeyResponse).api_key)

    def expire_api_key(self, prefix: str) -> None:
        """End an API key now.

        Raises:
            NotFound: When there is none with this prefix.
        """
        self._transport.call("ExpireApiKey", wire.ApiKeyRequest(prefix=prefix), wire.Empty)

    def delete_api_key(self, prefix: str) -> None:
        """Delete an API key.

        Raises:
            NotFound: When there is none with this prefix.
        """
        self._transport.call("DeleteApiKey", wire.ApiKeyRequest(prefix=prefix), wire.Empty)

    def list_nodes(self, user: str | None = None) -> list[Node]:
        """Return the nodes: all, or those of a user by name.

        Raises:
            NotFound: When there is no such user.
        """
        answer = self._transport.call("ListNodes", wire.ListNodesRequest(user=user or ""), wire.ListNodesResponse)
        return [_node(node) for node in answer.nodes]

    def delete_node(self, node_id: int) -> None:
        """Remove a node from the tailnet."""
        self._transport.call("DeleteNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def expire_node(self, node_id: int) -> None:
        """Make a node log in again."""
        self._transport.call("ExpireNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def check_policy(self, policy: str) -> bool:
        """Have a policy checked, its own tests too, without storing it; return whether this version can (0.29, newer).

        Raises:
            HeadscaleError: With what is wrong in it.
        """
        if self.minor_version() < POLICY_CHECK_SINCE:
            return False
        self._transport.call("CheckPolicy", wire.Policy(policy=policy), wire.Empty)
        return True

    def get_policy(self) -> str:
        """Return the policy as it was stored.

        Raises:
            NotFound: When none was stored.
        """
        return str(self._transport.call("GetPolicy", wire.Empty(), wire.Policy).policy)

    def set_policy(self, policy: str) -> None:
        """Store a policy, in effect at once.

        Raises:
            InvalidArgument: When Headscale cannot read it.
            FailedPrecondition: When the policy comes from a file.
        """
        self._transport.call("SetPolicy", wire.Policy(policy=policy), wire.Policy)


def speaks_http(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    """Return whether a Headscale's socket answers HTTP, as from 0.30 on; before, it is gRPC's alone."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        probe.connect(address)
        probe.sendall(b"GET /version HTTP/1.1\r\nHost: headscale\r\nConnection: close\r\n\r\n")
        return probe.recv(7) == b"HTTP/1."
    return False


def _timestamp(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC))
    return stamp


def _time(message: wire.User | wire.PreAuthKey | wire.ApiKey | wire.Node, field: str) -> datetime | None:
    """Return a time field; None where it is absent, or Headscale's zero time, the year 1."""
    if not message.HasField(field):
        return None
    time: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    return time if time.year > 1 else None


def _bare_prefix(shown: str) -> str:
    """Return the prefix alone: 0.28 and newer list it as `hskey-api-<prefix>-***`."""
    return shown.removeprefix("hskey-api-").removesuffix("-***")


def _user(user: wire.User) -> User:
    return User(
        user.id,
        user.name,
        user.display_name,
        user.email,
        user.profile_pic_url,
        user.provider,
        user.provider_id,
        _time(user, "created_at"),
    )


def _pre_auth_key(key: wire.PreAuthKey) -> PreAuthKey:
    return PreAuthKey(
        id=key.id,
        key=key.key,
        user=_user(key.user) if key.HasField("user") and key.user.id else None,
        reusable=key.reusable,
        ephemeral=key.ephemeral,
        used=key.used,
        expiration=_time(key, "expiration"),
        created_at=_time(key, "created_at"),
        tags=tuple(key.acl_tags),
    )


def _node(node: wire.Node) -> Node:
    return Node(
        id=node.id,
        name=node.name,
        given_name=node.given_name,
        user=_user(node.user) if node.HasField("user") else None,
        tags=tuple(node.tags) or tuple(sorted({*node.forced_tags, *node.valid_tags})),
        online=node.online,
        ip_addresses=tuple(node.ip_addresses),
        pre_auth_key_id=node.pre_auth_key.id if node.HasField("pre_auth_key") else None,
        pre_auth_key_user_id=node.pre_auth_key.user.id or None if node.HasField("pre_auth_key") else None,
        expiry=_time(node, "expiry"),
        last_seen=_time(node, "last_seen"),
    )
