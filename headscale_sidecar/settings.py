"""What the sidecar is told, by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headscale_core.keys.api_key import DesiredApiKey
from headscale_core.values.durations import parse_duration
from headscale_sidecar.errors import SidecarError

_PORTS = 65536
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SettingsError(SidecarError):
    """Everything that is wrong with the environment, at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The sidecar's settings.

    Attributes:
        instance: The StatefulSet, which owns the Secret.
        wanted: Namespace and name of the Secret, the keys' lifetime, when they are replaced, how long both work then.
        socket_path: Headscale's unix socket.
        url: Headscale's HTTP address on the pod's loopback.
        server_name: The name in its certificate, where that comes by ACME.
        relay_listen: Where it is relayed; on loopback.
        health_listen: Where probes and metrics are answered; without a host on every address of IPv4 and IPv6.
    """

    instance: str
    desired: DesiredApiKey
    socket_path: str
    url: str
    server_name: str
    relay_listen: tuple[str, int]
    health_listen: tuple[str, int]


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: With every problem at once.
    """
    problems: list[str] = []
    required = ("POD_NAMESPACE", "INSTANCE", "SECRET_NAME")
    problems += [f"{name} is required and missing" for name in required if not environment.get(name)]
    expiration = environment.get("EXPIRATION", "2160h")
    buffer = environment.get("ROTATION_BUFFER", "240h")
    overlap = environment.get("OVERLAP", "10m")
    for name, text in (("EXPIRATION", expiration), ("ROTATION_BUFFER", buffer), ("OVERLAP", overlap)):
        try:
            parse_duration(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if not problems and parse_duration(buffer) >= parse_duration(expiration):
        problems.append(f"ROTATION_BUFFER ({buffer}) must be below EXPIRATION ({expiration})")
    relay, health = (
        _address(environment.get(name, default), name, problems)
        for name, default in (("RELAY_LISTEN", "127.0.0.1:50480"), ("HEALTH_LISTEN", ":8081"))
    )
    if relay[1] and relay[0] not in _LOOPBACK:
        problems.append(f"RELAY_LISTEN: `{relay[0]}` is not loopback, and the relay asks for no key; write 127.0.0.1")
    if problems:
        raise SettingsError("; ".join(problems))
    desired = DesiredApiKey(environment["POD_NAMESPACE"], environment["SECRET_NAME"], expiration, buffer, overlap)
    socket_path = environment.get("SOCKET_PATH", "/var/run/headscale/headscale.sock")
    url = environment.get("HEADSCALE_URL", "http://127.0.0.1:8080")
    name = environment.get("HEADSCALE_SERVER_NAME", "")
    return Settings(environment["INSTANCE"], desired, socket_path, url, name, relay, health)


def _address(text: str, name: str, problems: list[str]) -> tuple[str, int]:
    """Return host and port of `host:port`, `:port` or `[address of IPv6]:port`."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not colon or not 0 < number < _PORTS or (":" in host) != bracketed:
        problems.append(f"{name}: `{text}` is no address; write `127.0.0.1:50480`, `:8081` or `[::]:8081`")
    return host, number
