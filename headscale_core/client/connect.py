"""How a transport is opened: which of gRPC and REST, over which socket, trusting whom."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import grpc

from headscale_core.client.errors import InvalidConnection
from headscale_core.client.grpc_transport import GrpcTransport, Transport

_CHANNEL_OPTIONS: list[tuple[str, str | int]] = [
    # A port-forward can break without a signal; a ping detects it.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A broken connection is detected by the next call, not after a minute of growing back-off.
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Trust:
    """What TLS trusts.

    Attributes:
        tls: Whether to use TLS at all.
        ca_certificate: PEM of the authority to trust instead of the system's.
        server_name: The name to expect in the certificate, where it differs from the address.
    """

    tls: bool = False
    ca_certificate: bytes | None = None
    server_name: str | None = None


def unix_socket(path: str, timeout_seconds: float) -> Transport:
    """Return a transport to a unix socket: REST where it answers HTTP, else gRPC."""
    if speaks_http(socket.AF_UNIX, path):
        return _rest("http://headscale", unix_socket=path, timeout_seconds=timeout_seconds)
    channel = grpc.insecure_channel(f"unix:{path}", options=_CHANNEL_OPTIONS)
    return GrpcTransport(channel, path, timeout_seconds=timeout_seconds)


def relay(host: str, port: int, timeout_seconds: float) -> Transport:
    """Return a transport to an address that a unix socket is relayed to: REST where it answers HTTP, else gRPC."""
    if speaks_http(socket.AF_INET, (host, port)):
        return _rest(f"http://{host}:{port}", timeout_seconds=timeout_seconds)
    return tcp(f"{host}:{port}", None, Trust(), timeout_seconds)


def http(
    url: str, api_key: str, ca_certificate: bytes | None, server_name: str | None, timeout_seconds: float
) -> Transport:
    """Return a transport over REST.

    Raises:
        InvalidConnection: When the URL is malformed, or the authority is not PEM.
    """
    trust = _context(ca_certificate) if ca_certificate else None
    return _rest(url, api_key=api_key, trust=trust, server_name=server_name, timeout_seconds=timeout_seconds)


def tcp(address: str, api_key: str | None, trust: Trust, timeout_seconds: float) -> Transport:
    """Return a transport by gRPC; it connects with the first call."""
    options = list(_CHANNEL_OPTIONS)
    if trust.server_name:
        options.append(("grpc.ssl_target_name_override", trust.server_name))
    if trust.tls:
        credentials = grpc.ssl_channel_credentials(root_certificates=trust.ca_certificate)
        channel = grpc.secure_channel(address, credentials, options=options)
    else:
        channel = grpc.insecure_channel(address, options=options)
    return GrpcTransport(channel, address, api_key=api_key, timeout_seconds=timeout_seconds)


def speaks_http(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    """Return whether a Headscale's socket answers HTTP, as from 0.30 on; before, it serves gRPC alone (`GRPC`)."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        probe.connect(address)
        probe.sendall(b"GET /version HTTP/1.1\r\nHost: headscale\r\nConnection: close\r\n\r\n")
        return probe.recv(7) == b"HTTP/1."
    return False


def _context(ca_certificate: bytes) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca_certificate.decode())
    except (ssl.SSLError, ValueError) as error:
        # ValueError: what is not text, or empty.
        raise InvalidConnection(
            f"the certificate authority to trust cannot be loaded ({error}): give its PEM, which begins with "
            "`-----BEGIN CERTIFICATE-----`"
        ) from None


def _rest(url: str, **options: Any) -> Transport:  # noqa: ANN401 - as `RestTransport` takes them
    """Return a transport over REST; httpx is slow to load, and few need it."""
    from headscale_core.client.rest_transport import RestTransport  # noqa: PLC0415 - few need it

    return RestTransport(url, **options)
