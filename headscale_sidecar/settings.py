"""The sidecar's settings, from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from headscale_core.defaults import (
    API_KEY_EXPIRATION,
    API_KEY_OVERLAP,
    API_KEY_ROTATION_BUFFER,
    HTTP_PORT,
    OPEN_WITHOUT_POLICY_VARIABLE,
    RELAY_PORT,
    SIDECAR_HEALTH_PORT,
    SOCKET_PATH,
)
from headscale_core.keys.api_key_secret import DesiredApiKey
from headscale_core.values.durations import parse_duration, shortest_duration
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
        desired: The key and its Secret.
        socket_path: Headscale's unix socket.
        url: Headscale's HTTP address on the pod's loopback.
        server_name: The name in its certificate, where that comes by ACME.
        relay_listen: Host and port of the relay; on loopback.
        health_listen: Host and port of probes and metrics; an empty host means every address of IPv4 and IPv6.
        denies_without_policy: Whether a Headscale without a policy gets one that denies everything.
    """

    instance: str
    desired: DesiredApiKey
    socket_path: str
    url: str
    server_name: str
    relay_listen: tuple[str, int]
    health_listen: tuple[str, int]
    denies_without_policy: bool


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: With every problem at once.
    """
    problems: list[str] = []
    required = ("POD_NAMESPACE", "INSTANCE", "SECRET_NAME")
    problems += [f"{name} is required and missing" for name in required if not environment.get(name)]
    expiration, buffer, overlap = (
        _duration(environment.get(name, default), name, problems)
        for name, default in (
            ("EXPIRATION", API_KEY_EXPIRATION),
            ("ROTATION_BUFFER", API_KEY_ROTATION_BUFFER),
            ("OVERLAP", API_KEY_OVERLAP),
        )
    )
    if not problems and buffer >= expiration:
        problems.append(
            f"ROTATION_BUFFER ({shortest_duration(buffer)}) must be below EXPIRATION ({shortest_duration(expiration)})"
        )
    relay, health = (
        _address(environment.get(name, default), name, problems)
        for name, default in (
            ("RELAY_LISTEN", f"127.0.0.1:{RELAY_PORT}"),
            ("HEALTH_LISTEN", f":{SIDECAR_HEALTH_PORT}"),
        )
    )
    if relay[1] and relay[0] not in _LOOPBACK:
        problems.append(f"RELAY_LISTEN: `{relay[0]}` is not loopback, and the relay asks for no key; write 127.0.0.1")
    open_without_policy = environment.get(OPEN_WITHOUT_POLICY_VARIABLE, "false")
    if open_without_policy not in {"true", "false"}:
        problems.append(f"{OPEN_WITHOUT_POLICY_VARIABLE}: `{open_without_policy}` is neither `true` nor `false`")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(
        instance=environment["INSTANCE"],
        desired=DesiredApiKey(
            environment["POD_NAMESPACE"], environment["SECRET_NAME"], expiration, buffer, overlap=overlap
        ),
        socket_path=environment.get("SOCKET_PATH", SOCKET_PATH),
        url=environment.get("HEADSCALE_URL", f"http://127.0.0.1:{HTTP_PORT}"),
        server_name=environment.get("HEADSCALE_SERVER_NAME", ""),
        relay_listen=relay,
        health_listen=health,
        denies_without_policy=open_without_policy == "false",
    )


def _duration(text: str, name: str, problems: list[str]) -> timedelta:
    """Return the time of a text; zero, and a problem, where it is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return timedelta(0)


def _address(text: str, name: str, problems: list[str]) -> tuple[str, int]:
    """Return host and port of `host:port`, `:port` or `[address of IPv6]:port`."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not colon or not 0 < number < _PORTS or (":" in host) != bracketed:
        problems.append(
            f"{name}: `{text}` is no address; write `127.0.0.1:{RELAY_PORT}`, `:{SIDECAR_HEALTH_PORT}` or "
            f"`[::]:{SIDECAR_HEALTH_PORT}`"
        )
    return host, number
