"""A typed client of one Headscale, whatever differs between its versions on the wire."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.client.connection import Connection
from headscale_core.client.conversion import api_key_of, node_of, pre_auth_key_of, timestamp, user_of
from headscale_core.client.errors import NotFound, Unsupported
from headscale_core.client.grpc_transport import NO_USER_ID
from headscale_core.client.models import ApiKey, Node, PreAuthKey, User
from headscale_core.values.versions import KEY_IDS, POLICY_CHECK


class HeadscaleClient(Connection):
    """Calls to one Headscale; safe to share between threads.

    Every call has a deadline, 10 seconds by default, and raises the subclass of `ApiError` that names what went wrong;
    `Raises` of a method lists those that a caller may want to handle. No call is retried: only the caller knows whether
    it is idempotent. The API: https://github.com/juanfont/headscale/tree/main/proto/headscale/v1.

    Args:
        transport: What carries the calls; see the `over_…` methods.
    """

    def health(self) -> None:
        """Check that Headscale and its database answer.

        Versions without the call (`HEALTH_CALL`) are asked for a user that does not exist instead.

        Raises:
            ApiError: When they do not.
        """
        try:
            self._transport.call("Health", wire.Empty(), wire.Empty)
        except Unsupported:
            self.list_users(user_id=NO_USER_ID)

    def list_users(self, *, name: str | None = None, user_id: int | None = None) -> list[User]:
        """Return the users.

        Args:
            name: Only those of this name: several only where an identity provider has users too. None for all.
            user_id: Only the one of this id. None for all.
        """
        request = wire.ListUsersRequest(name=name or "", id=user_id or 0)
        answer = self._transport.call("ListUsers", request, wire.ListUsersResponse)
        return [user_of(user) for user in answer.users]

    def create_user(self, name: str, *, display_name: str = "", email: str = "", picture_url: str = "") -> User:
        """Create a user; Headscale validates next to nothing of it.

        Args:
            name: The name, unique among the users without an identity provider.
            display_name: The name that people see; empty, the default, for none.
            email: The e-mail address; empty, the default, for none.
            picture_url: Address of the profile picture; empty, the default, for none.

        Raises:
            AlreadyExists: When the name is taken.
        """
        request = wire.CreateUserRequest(name=name, display_name=display_name, email=email, picture_url=picture_url)
        return user_of(self._transport.call("CreateUser", request, wire.UserResponse).user)

    def rename_user(self, user_id: int, new_name: str) -> User:
        """Rename a user; its id, nodes and keys stay.

        Raises:
            NotFound: When there is no such user.
            AlreadyExists: When the name is taken.
        """
        request = wire.RenameUserRequest(old_id=user_id, new_name=new_name)
        return user_of(self._transport.call("RenameUser", request, wire.UserResponse).user)

    def delete_user(self, user_id: int) -> None:
        """Delete a user and its keys.

        On 0.28 this deletes the preauth keys of ALL users (https://github.com/juanfont/headscale/issues/3154), see
        `WIPES_ALL_KEYS_ON_USER_DELETION`.

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
        """Create a preauth key; from 0.28 on, the answer is the only place where its text appears.

        `PreAuthKeyNew` in https://github.com/juanfont/headscale/blob/v0.28.0/hscontrol/types/preauth_key.go

        Args:
            user_id: The owner; None for a key with tags alone (0.28 and newer).
            expiration: When it expires, aware; kept to the microsecond. There is no `never`: without a time Headscale
                takes the year 1.
            reusable: Whether more than one node may join with it, False by default.
            ephemeral: Whether its nodes are removed when they are offline, False by default.
            tags: Tags of its nodes, each with the prefix `tag:`; none by default.

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
        """Expire a preauth key now; nodes that joined with it stay. One that does not exist is ignored."""
        self._transport.call("ExpirePreAuthKey", self._key_request(key), wire.Empty)

    def delete_pre_auth_key(self, key_id: int) -> None:
        """Delete a preauth key, or expire it on versions without `KEY_IDS`. One that does not exist is ignored."""
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
        """Create an API key and return its text, which appears here only.

        Args:
            expiration: When it expires, aware; kept to the microsecond.

        Returns:
            The text; `api_key_prefix` of it is what `expire_api_key` and `delete_api_key` take.
        """
        request = wire.CreateApiKeyRequest(expiration=timestamp(expiration))
        return str(self._transport.call("CreateApiKey", request, wire.CreateApiKeyResponse).api_key)

    def expire_api_key(self, prefix: str) -> None:
        """Expire an API key now.

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
        """Return the nodes.

        Args:
            user: Only those of the user of this name; None, the default, for all.

        Raises:
            NotFound: When there is no such user.
        """
        answer = self._transport.call("ListNodes", wire.ListNodesRequest(user=user or ""), wire.ListNodesResponse)
        return [node_of(node) for node in answer.nodes]

    def delete_node(self, node_id: int) -> None:
        """Remove a node from the tailnet.

        Raises:
            NotFound: When there is no such node.
        """
        self._transport.call("DeleteNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def expire_node(self, node_id: int) -> None:
        """Expire a node: it has to log in again."""
        self._transport.call("ExpireNode", wire.NodeRequest(node_id=node_id), wire.Empty)

    def check_policy(self, policy: str) -> bool:
        """Have a policy checked, with its tests, without storing it.

        Args:
            policy: The policy, as HuJSON.

        Returns:
            Whether this version checks policies (`POLICY_CHECK`); if not, no call is made.

        Raises:
            InvalidArgument: When it is invalid, or one of its tests fails.
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

        Args:
            policy: The policy, as HuJSON; it is stored as it is.

        Raises:
            InvalidArgument: When Headscale cannot read it.
            FailedPrecondition: When the policy comes from a file.
        """
        self._transport.call("SetPolicy", wire.Policy(policy=policy), wire.Policy)
