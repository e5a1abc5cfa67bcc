"""A connection to one Headscale: how it is opened and closed, and which version answers."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from headscale_core.client import connect
from headscale_core.client.grpc_transport import Transport
from headscale_core.values.versions import Feature, HeadscaleVersion


class Connection:
    """A connection to one Headscale, whatever differs between its versions on the wire.

    Args:
        transport: What carries the calls; see the `over_…` methods.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._version: HeadscaleVersion | None = None

    @classmethod
    def over_unix_socket(cls, path: str, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale behind a unix socket, which needs no key and has gRPC up to 0.29.

        Only the gRPC server on TCP has `grpcAuthenticationInterceptor`
        (https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/app.go).

        Args:
            path: Path of the socket.
            timeout_seconds: Deadline of each call, in seconds; 10 by default.
        """
        return cls(connect.unix_socket(path, timeout_seconds))

    @classmethod
    def over_relay(cls, host: str, port: int, *, timeout_seconds: float = 10.0) -> Self:
        """Return a client of the Headscale whose unix socket is relayed to an address.

        Args:
            host: Host name or address.
            port: TCP port.
            timeout_seconds: Deadline of each call, in seconds; 10 by default.
        """
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
        """Return a client over REST (0.28 and newer).

        Args:
            url: `http(s)://host:port`.
            api_key: The key to show.
            ca_certificate: PEM of the authority to trust; None, the default, for the system's authorities.
            server_name: The name to expect in the certificate; None, the default, for that of the address.
            timeout_seconds: Deadline of each call, in seconds; 10 by default.

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
        """Return a client over gRPC (up to 0.29).

        Args:
            address: `host:port`.
            api_key: The key to show; None, the default, where the address leads to the unix socket.
            tls: Whether to use TLS, False by default.
            ca_certificate: PEM of the authority to trust; None, the default, for the system's authorities.
            server_name: The name to expect in the certificate; None, the default, for that of the address.
            timeout_seconds: Deadline of each call, in seconds; 10 by default.
        """
        trust = connect.Trust(tls=tls, ca_certificate=ca_certificate, server_name=server_name)
        return cls(connect.tcp(address, api_key, trust, timeout_seconds))

    def close(self) -> None:
        """Close the connection."""
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
