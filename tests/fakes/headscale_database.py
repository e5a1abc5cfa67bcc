"""What a Headscale knows, and what it answers to each call, for the versions 0.26 to 0.29.

Each answer, and each error with its misleading code and its words, is as hscontrol/grpcv1.go and hscontrol/db of that
version have it (https://github.com/juanfont/headscale); `tests/contract/test_headscale.py` holds it to the real one.
"""

import secrets
from datetime import UTC, datetime
from itertools import count

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.values.versions import WIPES_ALL_KEYS_ON_USER_DELETION
from tests.fakes import headscale_policy
from tests.fakes.headscale_calls import KEY_IDS_SINCE

Code = grpc.StatusCode


class Refused(Exception):
    """A call that Headscale answers with an error.

    Attributes:
        code: The gRPC status.
        detail: The words that come with it.
    """

    def __init__(self, code, detail):
        self.code, self.detail = code, detail
        super().__init__(detail)


def stamp(time=None):
    made = Timestamp()
    made.FromDatetime(time or datetime.now(UTC))
    return made


def is_over(time):
    return time.ToDatetime(tzinfo=UTC) <= datetime.now(UTC)


class Database:
    """Users, keys, nodes and the policy; its methods are the calls, in Python's spelling. Ids are never given twice.

    Args:
        minor: The minor version of the Headscale.
    """

    def __init__(self, minor):
        self.minor = minor
        self.users, self.keys, self.key_texts, self.api_keys, self.nodes = {}, {}, {}, {}, {}
        self.policy = None
        self._ids = {kind: count(1) for kind in ("user", "key", "api key", "node")}

    def health(self, _request):
        return wire.Empty()

    def list_users(self, request):
        found = [
            user
            for user in self.users.values()
            if (not request.id or user.id == request.id)
            and (not request.name or user.name == request.name)
            and (not request.email or user.email == request.email)
        ]
        return wire.ListUsersResponse(users=map(self._shown, found))

    def _shown(self, user):
        """Return a user as it is listed: 0.28 shows something else where an identity provider gave no name."""
        shown = wire.User()
        shown.CopyFrom(user)
        if not user.name and self.minor >= KEY_IDS_SINCE:
            shown.name = user.email or user.provider_id or str(user.id)
        return shown

    def _user(self, user_id):
        if user_id not in self.users:
            raise Refused(Code.UNKNOWN, "user not found")
        return self.users[user_id]

    def _is_taken(self, name, but=None):
        return any(user.name == name and not user.provider_id and user is not but for user in self.users.values())

    def create_user(self, request):
        if self._is_taken(request.name):
            code = Code.UNKNOWN if self.minor == 26 else Code.INTERNAL
            before = "failed to create user: " if self.minor in {27, 28} else ""
            raise Refused(
                code, f"{before}creating user: constraint failed: UNIQUE constraint failed: users.name (2067)"
            )
        return wire.UserResponse(user=self._shown(self.add_user(request.name, request)))

    def add_user(self, name, request=None, *, email="", provider="", provider_id=""):
        user = wire.User(
            id=next(self._ids["user"]),
            name=name,
            created_at=stamp(),
            display_name=request.display_name if request else "",
            email=request.email if request else email,
            profile_pic_url=request.picture_url if request else "",
            provider=provider,
            provider_id=provider_id,
        )
        self.users[user.id] = user
        return user

    def rename_user(self, request):
        user = self._user(request.old_id)
        if not user.provider_id and self._is_taken(request.new_name, but=user):
            raise Refused(Code.UNKNOWN, "updating user: constraint failed: UNIQUE constraint failed: users.name (2067)")
        user.name = request.new_name
        return wire.UserResponse(user=self._shown(user))

    def delete_user(self, request):
        user = self._user(request.id)
        if any(user.id in (node.user.id, node.pre_auth_key.user.id) for node in self.nodes.values()):
            raise Refused(Code.UNKNOWN, "user not empty: node(s) found")
        wipes_all = WIPES_ALL_KEYS_ON_USER_DELETION.is_in((0, self.minor))
        gone = [key.id for key in self.keys.values() if wipes_all or key.user.id == user.id]
        for key_id in gone:
            del self.keys[key_id]
        del self.users[user.id]
        return wire.Empty()

    def list_pre_auth_keys(self, request):
        if self.minor >= KEY_IDS_SINCE:
            return wire.ListPreAuthKeysResponse(pre_auth_keys=self.keys.values())
        user = self._user(request.user)
        return wire.ListPreAuthKeysResponse(pre_auth_keys=[key for key in self.keys.values() if key.user.id == user.id])

    def create_pre_auth_key(self, request):
        for tag in request.acl_tags:
            if not tag.startswith("tag:"):
                raise Refused(Code.INVALID_ARGUMENT, "tag must start with the string 'tag:'")
            if tag.lower() != tag:
                raise Refused(Code.INVALID_ARGUMENT, "tag should be lowercase")
        has_no_owner = not request.user and self.minor >= KEY_IDS_SINCE
        if has_no_owner and not request.acl_tags:
            raise Refused(Code.UNKNOWN, "auth-key must be either tagged or owned by user")
        user = None if has_no_owner else self._user(request.user)
        if self.minor >= KEY_IDS_SINCE:
            prefix = f"hskey-auth-{secrets.token_hex(6)}"
            text, listed = f"{prefix}-{secrets.token_hex(32)}", f"{prefix}-***"
        else:
            text = listed = secrets.token_hex(24)
        key = wire.PreAuthKey(
            id=next(self._ids["key"]),
            key=listed,
            user=user and self._shown(user),
            reusable=request.reusable,
            ephemeral=request.ephemeral,
            expiration=request.expiration if request.HasField("expiration") else Timestamp(seconds=-62135596800),
            created_at=stamp(),
            acl_tags=sorted(set(request.acl_tags)),
        )
        self.keys[key.id], self.key_texts[key.id] = key, text
        answer = wire.PreAuthKey()
        answer.CopyFrom(key)
        answer.key = text
        return wire.CreatePreAuthKeyResponse(pre_auth_key=answer)

    def expire_pre_auth_key(self, request):
        if self.minor >= KEY_IDS_SINCE:
            key = self.keys.get(request.id)
        else:
            key = next((key for key in self.keys.values() if key.key == request.key), None)
            if key is None:
                raise Refused(Code.UNKNOWN, "AuthKey not found")
            if key.user.id != request.id:
                raise Refused(Code.UNKNOWN, "preauth key does not belong to user")
        if key is not None:
            key.expiration.CopyFrom(stamp())
        return wire.Empty()

    def delete_pre_auth_key(self, request):
        self.keys.pop(request.id, None)
        return wire.Empty()

    def list_api_keys(self, _request):
        listed = []
        for key, _ in self.api_keys.values():
            shown = f"hskey-api-{key.prefix}-***" if self.minor >= KEY_IDS_SINCE else key.prefix
            listed.append(wire.ApiKey(id=key.id, prefix=shown, expiration=key.expiration, created_at=key.created_at))
        return wire.ListApiKeysResponse(api_keys=listed)

    def create_api_key(self, request):
        if self.minor >= KEY_IDS_SINCE:
            prefix = secrets.token_hex(6)
            text = f"hskey-api-{prefix}-{secrets.token_hex(32)}"
        else:
            prefix = secrets.token_hex(4)[:7]
            text = f"{prefix}.{secrets.token_hex(16)}"
        key = wire.ApiKey(
            id=next(self._ids["api key"]), prefix=prefix, expiration=request.expiration, created_at=stamp()
        )
        self.api_keys[prefix] = key, text
        return wire.CreateApiKeyResponse(api_key=text)

    def _api_key(self, request):
        if request.prefix not in self.api_keys:
            raise Refused(Code.UNKNOWN, "record not found")
        return self.api_keys[request.prefix][0]

    def expire_api_key(self, request):
        self._api_key(request).expiration.CopyFrom(stamp())
        return wire.Empty()

    def delete_api_key(self, request):
        del self.api_keys[self._api_key(request).prefix]
        return wire.Empty()

    def require_api_key(self, header):
        """Refuse a call over the network without a key that is good, as the one of 0.28 words it."""
        if header is None:
            raise Refused(Code.UNAUTHENTICATED, "Authorization token is not supplied")
        if not header.startswith("Bearer "):
            raise Refused(Code.UNAUTHENTICATED, 'missing "Bearer " prefix in "Authorization" header')
        shown = header.removeprefix("Bearer ")
        key = next((key for key, text in self.api_keys.values() if text == shown), None)
        if key is None:
            raise Refused(Code.INTERNAL, "validating token" if self.minor >= 29 else "failed to validate token")
        if is_over(key.expiration):
            raise Refused(Code.UNAUTHENTICATED, "invalid token")

    def list_nodes(self, request):
        if request.user and not any(user.name == request.user for user in self.users.values()):
            raise Refused(Code.UNKNOWN, "user not found")
        found = (node for node in self.nodes.values() if not request.user or node.user.name == request.user)
        return wire.ListNodesResponse(nodes=found)

    def add_node(self, user_name, name, key=None):
        """Have a machine join, as a user or by a preauth key."""
        user = next((user for user in self.users.values() if user.name == user_name), None)
        node = wire.Node(
            id=next(self._ids["node"]), name=name, given_name=name, user=user, online=True, last_seen=stamp()
        )
        node.ip_addresses.append(f"100.64.0.{node.id}")
        if key is not None:
            key.used = True
            node.pre_auth_key.CopyFrom(key)
            (node.tags if self.minor >= KEY_IDS_SINCE else node.forced_tags).extend(key.acl_tags)
        self.nodes[node.id] = node
        return node

    def delete_node(self, request):
        if self.nodes.pop(request.node_id, None) is None:
            raise Refused(Code.NOT_FOUND, "node not found")
        return wire.Empty()

    def expire_node(self, request):
        if request.node_id not in self.nodes:
            raise Refused(Code.UNKNOWN, f"node no longer exists in NodeStore: {request.node_id}")
        self.nodes[request.node_id].expiry.CopyFrom(stamp())
        return wire.Empty()

    def get_policy(self, _request):
        if self.policy is None:
            raise Refused(Code.UNKNOWN, "loading ACL from database: acl policy not found")
        return wire.Policy(policy=self.policy)

    def set_policy(self, request):
        if why := self._refusal(request.policy):
            raise Refused(Code.UNKNOWN, f"setting policy: {why}")
        self.policy = request.policy
        return wire.Policy(policy=self.policy)

    def check_policy(self, request):
        if why := self._refusal(request.policy):
            raise Refused(Code.INVALID_ARGUMENT, why)
        return wire.Empty()

    def _refusal(self, text):
        def addresses_of(alias):
            return [node for node in self.nodes.values() if alias in node.tags or alias.rstrip("@") == node.user.name]

        return headscale_policy.refusal(text, self.minor, addresses_of)
