"""What carries the calls of a client, and the transport that does it by gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from headscale_core.client._proto import headscale_pb2 as wire
from headscale_core.client.errors import (
    ApiError,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unreachable,
    Unsupported,
    error_class,
)
from headscale_core.values.versions import HEALTH_CALL, KEY_IDS, OLDEST_HEADSCALE, POLICY_CHECK, HeadscaleVersion

Answer = TypeVar("Answer", bound=Message)

_SERVICE = "/headscale.v1.HeadscaleService"
MAX_DETAIL = 300

NO_USER_ID = 2**62
"""The id of a user that is not there; 0 is no filter and lists everybody, and databases count to 2**63."""


class Transport(Protocol):
    """What carries calls: gRPC up to 0.29, REST for newer ones."""

    address: str

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """Call a method and return its answer.

        Raises:
            ApiError: The subclass that names what went wrong.
        """
        ...

    def version(self) -> HeadscaleVersion:
        """Return the server's minor version, 0.26 or newer.

        Raises:
            Unsupported: When the transport does not support a version that old.
            ApiError: When the server cannot be reached or refuses the key.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class GrpcTransport:
    """Calls over one gRPC channel, which is safe to share between threads and connects on first use.

    Args:
        channel: The channel; it is closed with the transport.
        address: Where it leads, for messages.
        api_key: The key to show; None, the default, on the unix socket.
        timeout_seconds: Deadline of each call, in seconds; 10 by default.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        address: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self.address = address
        self._channel = channel
        self._timeout_seconds = timeout_seconds
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """Call a method and return its answer."""
        invoke: Callable[..., Answer] = self._channel.unary_unary(
            f"{_SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return invoke(request, timeout=self._timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            detail = (error.details() or "")[:MAX_DETAIL]
            raise error_class(error.code().name, detail)(method, self.address, detail) from None
        except ValueError as error:
            # gRPC raises this where another thread has closed the channel.
            raise Unreachable(method, self.address, str(error)[:MAX_DETAIL]) from None

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def version(self) -> HeadscaleVersion:
        """Return the server's minor version, as its features show it.

        There is no call for it, `/version` is not on the unix socket, and 0.29 has no gRPC reflection on TCP. So three
        calls that only read are tried: `Health`, `CheckPolicy`, and the list of the preauth keys of a user that does
        not exist, which a version with `KEY_IDS` answers, because it lists those of all users
        (https://github.com/juanfont/headscale/blob/v0.29.3/proto/headscale/v1/headscale.proto has the calls).

        Raises:
            ApiError: When the server cannot be reached or refuses the key.
        """
        found = OLDEST_HEADSCALE
        if self._knows("Health", wire.Empty()):
            found = HEALTH_CALL.first
            if self._knows("CheckPolicy", wire.Policy(policy="{}")):
                found = POLICY_CHECK.first
            elif self._lists_keys_of_all():
                found = KEY_IDS.first
        return found

    def _lists_keys_of_all(self) -> bool:
        try:
            self.call("ListPreAuthKeys", wire.ListPreAuthKeysRequest(user=NO_USER_ID), wire.Empty)
        except NotFound:
            return False
        return True

    def _knows(self, method: str, request: Message) -> bool:
        try:
            self.call(method, request, wire.Empty)
        except Unsupported:
            return False
        except ApiError as error:
            if error.retryable or isinstance(error, Unauthenticated | PermissionDenied):
                raise
        return True
