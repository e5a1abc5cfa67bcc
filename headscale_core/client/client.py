"""A typed client of one Headscale, whatever differs between its versions on the wire."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from headscale_core.client import connect
from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.client.conversion import api_key_of, node_of, pre_auth_key_of, timestamp, user_of
from headscale_core.client.errors import NotFound, Unsupported
from headscale_core.client.grpc_transport import NOBODY, Transport
from headscale_core.client.models import ApiKey, Node, PreAuthKey, User
from headscale_core.values.versions import KEY_IDS, POLICY_CHECK, Feature, HeadscaleVersion


class HeadscaleClient:
    """Calls to one Headscale; safe to share between threads.

    Every call has a deadline and raises an `ApiError` that names what went wrong. None is retried in here: only
    the caller knows whether a call is idempotent.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._version: HeadscaleVersion | None = None

    @classmethod
    def over_unix_socket(cls, path: str, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale behind a unix socket, which asks for no key and speaks gRPC up to 0.29."""
        return cls(connect.unix_socket(path, timeout_seconds))

    @classmethod
    def over_relay(cls, host: str, port: int, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale whose unix socket is relayed to an address."""
        return cls(connect.relay(host, port, timeout_seconds))

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

        Raises:
            InvalidConnection: When the URL is malformed, or the authority is not PEM.
        """
        return cls(connect.http(url, api_key, ca_certificate, server_name, timeout_seconds))

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
        """Return a client that speaks gRPC (up to 0.29).

        Args:
            address: `host:port`.
            api_key: The key to show; None where it leads to the unix socket.
            tls: Whether to speak TLS.
            ca_certificate: PEM of the authority to trust instead of the system's.
            server_name: The name to expect in the certificate, where it differs from the address.
            timeout_seconds: Deadline of each call.
        """
        trust = connect.Trust(tls=tls, ca_certificate=ca_certificate, server_name=server_name)
        return cls(connect.tcp(address, api_key, trust, timeout_seconds))

    def close(self) -> None:
        """Give up the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def version(self) -> HeadscaleVersion:
        """Return the server's minor version, 0.26 or newer; it is determined once.

        Raises:
            Unsupported: When the server is older than the transport supports.
            ApiError: When the server cannot be reached or refuses the key.
        """
        if self._version is None:
            self._version = self._transport.version()
        return self._version

    def supports(self, feature: Feature) -> bool:
        """Return whether the server's version has a feature of `headscale_core.values.versions`.

        Args:
            feature: The feature.

        Raises:
            ApiError: As `version`.
        """
        return feature.is_in(self.version())

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
        return [user_of(user) for user in answer.users]

    def create_user(self, name: str, *, display_name: str = "", email: str = "", picture_url: str = "") -> User:
        """Make a user; Headscale checks next to nothing of it.

        Raises:
            AlreadyExists: When the name is taken.
        """
        request = wire.CreateUserRequest(name=name, display_name=display_name, email=email, picture_url=picture_url)
        return user_of(self._transport.call("CreateUser", request, wire.UserResponse).user)

    def rename_user(self, user_id: int, new_name: str) -> User:
        """Give a user another name; its id stays."""
        request = wire.RenameUserRequest(old_id=user_id, new_name=new_name)
        return user_of(self._transport.call("RenameUser", request, wire.UserResponse).user)

    def delete_user(self, user_id: int) -> None:
        """Delete a user and its keys. On 0.28 this deletes the preauth keys of EVERYBODY (headscale issue 3154).

        Raises:
            NotFound: When there is no such user.
            FailedPrecondition: When it has nodes.
        """
        self._transport.call("DeleteUser", wire.DeleteUserRequest(id=user_id), wire.Empty)

    def list_pre_auth_keys(self) -> list[PreAuthKey]:
        """Return all preauth keys, expired ones too."""
        if self.supports(KEY_IDS):
            return self._list_pre_auth_keys(wire.ListPreAuthKeysRequest())
        return [
            key
            for user in self.list_users()
            for key in self._list_pre_auth_keys(wire.ListPreAuthKeysRequest(user=user.id))
        ]

    def _list_pre_auth_keys(self, request: wire.ListPreAuthKeysRequest) -> list[PreAuthKey]:
        answer = self._transport.call("ListPreAuthKeys", request, wire.ListPreAuthKeysResponse)
        return [pre_auth_key_of(key) for key in answer.pre_auth_keys]

    def create_pre_auth_key(
        self,
        *,
        user_id: int | None,
        expiration: datetime,
        reusable: bool = False,
        ephemeral: bool = False,
        tags: Sequence[str] = (),
    ) -> PreAuthKey:
        """Make a preauth key; the answer is the only place where its text ever appears.

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
            expiration=timestamp(expiration),
            acl_tags=list(tags),
        )
        return pre_auth_key_of(
            self._transport.call("CreatePreAuthKey", request, wire.CreatePreAuthKeyResponse).pre_auth_key
        )

    def expire_pre_auth_key(self, key: PreAuthKey) -> None:
        """End a preauth key now; the nodes that joined with it stay. An unknown one is passed over in silence."""
        self._transport.call("ExpirePreAuthKey", self._key_request(key), wire.Empty)

    def delete_pre_auth_key(self, key_id: int) -> None:
        """Delete a preauth key; before 0.28, which cannot, end it. One that is gone is passed over in silence."""
        if self.supports(KEY_IDS):
            with contextlib.suppress(NotFound):
                self._transport.call("DeletePreAuthKey", wire.PreAuthKeyRequest(id=key_id), wire.Empty)
            return
        for key in self.list_pre_auth_keys():
            if key.id == key_id:
                self.expire_pre_auth_key(key)

    def _key_request(self, key: PreAuthKey) -> wire.PreAuthKeyRequest:
        """Name a key as this version does: field 1 was the user's id before it was the key's."""
        if self.supports(KEY_IDS):
            return wire.PreAuthKeyRequest(id=key.id)
        return wire.PreAuthKeyRequest(id=key.user.id if key.user else 0, key=key.key)

    def list_api_keys(self) -> list[ApiKey]:
        """Return all API keys, expired ones too."""
        answer = self._transport.call("ListApiKeys", wire.Empty(), wire.ListApiKeysResponse)
        return [api_key_of(key) for key in answer.api_keys]

    def create_api_key(self, expiration: datetime) -> str:
        """Make an API key and return its text, which appears here only; `api_key_prefix` names it afterwards."""
        request = wire.CreateApiKeyRequest(expiration=timestamp(expiration))
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
        return [node_of(node) for node in answer.nodes]

    def delete_node(self, node_id: int) -> None:
        """Remove a node from the tailnet."""
        self._transport.call("DeleteNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def expire_node(self, node_id: int) -> None:
        """Make a node log in again."""
        self._transport.call("ExpireNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def check_policy(self, policy: str) -> bool:
        """Have a policy checked, its own tests too, without storing it; return whether this version can (0.29, newer).

        Raises:
            ApiError: With what is wrong in it.
        """
        if not self.supports(POLICY_CHECK):
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
