"""The one door to the network: unary gRPC calls with a deadline on each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from headscale_api.errors import error_class

Answer = TypeVar("Answer", bound=Message)

_SERVICE = "/headscale.v1.HeadscaleService"
_LONGEST_DETAIL = 300


class Transport(Protocol):
    """What carries a call; the REST of newer Headscales will be another one."""

    address: str

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """Call a method and return its answer.

        Raises:
            HeadscaleError: The subclass that names what went wrong.
        """
        ...

    def close(self) -> None:
        """Give up the connection."""
        ...


class GrpcTransport:
    """Calls over one gRPC channel, which is safe to share between threads and connects on first use."""

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
            detail = (error.details() or "")[:_LONGEST_DETAIL]
            raise error_class(error.code().name, detail)(method, self.address, detail) from None

    def close(self) -> None:
        """Give up the connection."""
        self._channel.close()
