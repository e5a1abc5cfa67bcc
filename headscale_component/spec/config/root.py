"""Headscale's whole configuration: the keys of its `config.yaml`, with defaults that are right in a pod.

Sources: `config-example.yaml` and `hscontrol/types/config.go` of 0.26 to 0.29, and what those versions did when tried.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, StrictStr

from headscale_component.spec.config.database import DatabaseConfig
from headscale_component.spec.config.derp import DerpConfig
from headscale_component.spec.config.dns import DnsConfig
from headscale_component.spec.config.node import NodeConfig
from headscale_component.spec.config.oidc import OidcConfig
from headscale_component.spec.config.tuning import TuningConfig
from headscale_component.spec.config.types import (
    DATA_DIRECTORY,
    SOCKET_DIRECTORY,
    Absence,
    ConfigSection,
    DomainOrEmpty,
    Endpoint,
    EndpointOrOff,
    FilePath,
    FilePathOrEmpty,
    Flag,
    HttpUrlOrEmpty,
    NetworkV4,
    NetworkV6,
    ProxyRange,
    ServerUrl,
    Since,
    Text,
    Until,
    UpstreamDefault,
)
from headscale_component.spec.empty_sections import NullMeans

_LONGEST_SOCKET_PATH = 107
"""Bytes: https://man7.org/linux/man-pages/man7/unix.7.html (`sun_path`, with a NUL at its end)."""


def _octal(text: str) -> str:
    if re.fullmatch(r"0?[0-7]{3}", text):
        return text
    raise ValueError(f'`{text}` is no mode; write three octal digits in quotes, as "0770"')


def _mode_in_quotes(mode: object) -> object:
    """Refuse a number: YAML has read it in base 8 or 10 already, so that it is not what was written."""
    if not isinstance(mode, int) or isinstance(mode, bool):
        return mode
    raise ValueError('must be a text: YAML reads a number in another base; write the mode in quotes, as "0770"')


def _in_shared_directory(path: str) -> str:
    name = path.removeprefix(f"{SOCKET_DIRECTORY}/")
    if name == path or "/" in name or name in {"", ".", ".."}:
        raise ValueError(f"must be a file in {SOCKET_DIRECTORY}, the one directory that the sidecar shares")
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        raise ValueError(
            f"has {len(path.encode())} bytes, and Linux has room for {_LONGEST_SOCKET_PATH} in the path of a socket; "
            f"write a shorter one, as `{SOCKET_DIRECTORY}/headscale.sock`"
        )
    return path


_GRPC = Until((0, 29), "has no gRPC any more, and ignores it silently", "nothing")


class NoiseConfig(ConfigSection):
    """`noise`: the control protocol."""

    private_key_path: Annotated[FilePath, UpstreamDefault("none, and then it does not start")] = (
        f"{DATA_DIRECTORY}/noise_private.key"
    )
    """The server's key, made at the first start. Nodes know the server by it: losing it cuts them all off."""


class PrefixesConfig(ConfigSection):
    """`prefixes`: the addresses of nodes."""

    v4: Annotated[NetworkV4 | None, NullMeans("none"), UpstreamDefault("none")] = "100.64.0.0/10"
    """IPv4; clients expect it inside 100.64.0.0/10. `null` for none."""

    v6: Annotated[NetworkV6 | None, NullMeans("none"), UpstreamDefault("none")] = "fd7a:115c:a1e0::/48"
    """IPv6; clients expect it inside fd7a:115c:a1e0::/48. `null` for none."""

    allocation: Literal["sequential", "random"] = "sequential"
    """How the next address is chosen."""


class LogConfig(ConfigSection):
    """`log`: what Headscale says."""

    level: Literal["trace", "debug", "info", "warn", "error", "fatal", "panic"] = "info"
    """The least that is logged. Headscale reads any other word as "debug"."""

    format: Literal["text", "json"] = "text"
    """For people or for machines."""


class PolicyConfig(ConfigSection):
    """`policy`: who may reach whom."""

    mode: Annotated[Literal["file", "database"], UpstreamDefault("file")] = "database"
    """`database` lets a policy be changed without a restart. Headscale reads any other word as "allow all"."""

    path: FilePathOrEmpty | None = None
    """The file, with `mode: file`; none allows all."""


class SwitchConfig(ConfigSection):
    """Something that is on or off."""

    enabled: Flag
    """Whether it is switched on."""


class HeadscaleConfig(ConfigSection):
    """Headscale's configuration file, `config.yaml` (https://headscale.net/stable/ref/configuration/)."""

    server_url: ServerUrl
    """The address that clients use, for example `https://vpn.example.com`. Changing it cuts nodes off that use it."""

    listen_addr: Annotated[Endpoint, UpstreamDefault("a random port")] = "0.0.0.0:8080"
    """Where Headscale serves clients and its HTTP API; the port of the Service follows it."""

    metrics_listen_addr: Annotated[EndpointOrOff | None, NullMeans("off"), UpstreamDefault("off")] = "0.0.0.0:9090"
    """Where Headscale serves metrics and health, always in clear; the metrics Service follows it. `null` or `""` for
    off, from 0.28 on."""

    grpc_listen_addr: Annotated[Endpoint | None, UpstreamDefault(":50443"), _GRPC] = None
    """Where Headscale serves gRPC if it has TLS or `grpc_allow_insecure`. Default: port 50443."""

    grpc_allow_insecure: Annotated[Flag | None, _GRPC] = None
    """Whether gRPC is served without TLS. Not needed here: the admin channel is the sidecar's relay. Default: off,
    on for `connection.channel: pod` on the pod's loopback."""

    trusted_proxies: Annotated[tuple[ProxyRange, ...] | None, Since((0, 29))] = None
    """Ranges of proxies whose forwarding headers are believed, as `10.0.0.0/8`; never everybody."""

    disable_check_updates: Annotated[Flag, UpstreamDefault("false, and then it hangs where there is no internet")] = (
        True
    )
    """Whether Headscale does not ask for newer versions at start."""

    unix_socket: Annotated[StrictStr, AfterValidator(_in_shared_directory)] = f"{SOCKET_DIRECTORY}/headscale.sock"
    """Headscale's own socket, which the sidecar uses."""

    unix_socket_permission: Annotated[
        Annotated[StrictStr, BeforeValidator(_mode_in_quotes), AfterValidator(_octal)],
        UpstreamDefault('"0700", for its own "0o770" cannot be read'),
    ] = "0770"
    """Mode of the socket, in quotes: YAML reads `0770` without them as another number."""

    noise: NoiseConfig = NoiseConfig()
    """Noise, the protocol by which Tailscale's clients talk to Headscale: where the server's private key is."""

    prefixes: PrefixesConfig = PrefixesConfig()
    """The addresses of nodes."""

    database: DatabaseConfig = DatabaseConfig()
    """Where Headscale keeps its data."""

    dns: DnsConfig = DnsConfig()
    """What Headscale tells nodes about names."""

    derp: DerpConfig = DerpConfig()
    """DERP, the relays through which nodes exchange encrypted traffic when they cannot reach each other directly: which
    relay maps nodes get, and the relay in Headscale itself (https://tailscale.com/docs/reference/derp-servers)."""

    policy: PolicyConfig = PolicyConfig()
    """Who may reach whom."""

    oidc: OidcConfig | None = None
    """Login through an identity provider."""

    node: NodeConfig = NodeConfig()
    """When nodes expire, when ephemeral ones are removed, and how subnet routers stand in for each other."""

    ephemeral_node_inactivity_timeout: Annotated[
        Absence,
        UpstreamDefault("120s"),
    ] = "30m"
    """How long an ephemeral node may be away before it is removed; more than 65 s. Written under its new name,
    `node.ephemeral.inactivity_timeout`, for 0.29 and newer, which ignore the old one."""

    log: LogConfig = LogConfig()
    """What Headscale writes to the log of its container: from which level on, and in which format."""

    logtail: SwitchConfig = SwitchConfig(enabled=False)
    """Whether clients send their logs to Tailscale."""

    taildrop: Annotated[SwitchConfig, Since((0, 28))] = SwitchConfig(enabled=True)
    """Whether nodes may send each other files."""

    auto_update: Annotated[SwitchConfig, Since((0, 29))] = SwitchConfig(enabled=False)
    """Whether clients are asked to update themselves."""

    randomize_client_port: Annotated[
        Flag | None,
        Until((0, 28), "does not start with it, even when it is false", "`randomizeClientPort` in the policy"),
    ] = None
    """Whether clients use random ports."""

    tls_cert_path: FilePathOrEmpty | None = None
    """Certificate that Headscale itself serves; read once, at start."""

    tls_key_path: FilePathOrEmpty | None = None
    """Key of that certificate."""

    tls_letsencrypt_hostname: DomainOrEmpty | None = None
    """Name for which Headscale fetches a certificate itself. Not together with `tls_cert_path`."""

    tls_letsencrypt_cache_dir: Annotated[FilePath, UpstreamDefault("/var/www/.cache, which is lost with the pod")] = (
        f"{DATA_DIRECTORY}/cache"
    )
    """Where such certificates are kept."""

    tls_letsencrypt_challenge_type: Literal["HTTP-01", "TLS-ALPN-01"] = "HTTP-01"
    """How the certificate authority checks the name."""

    tls_letsencrypt_listen: Annotated[EndpointOrOff, UpstreamDefault("off")] = "0.0.0.0:8089"
    """Where HTTP-01 is answered; port 80 of the Service leads there. The pod may not open port 80 itself."""

    acme_url: HttpUrlOrEmpty | None = None
    """Another certificate authority. Headscale's own: Let's Encrypt."""

    acme_email: Text | None = None
    """Contact for the certificate authority."""

    tuning: TuningConfig | None = None
    """Sizes and times of Headscale's insides."""

    @property
    def serves_tls(self) -> bool:
        """Whether `listen_addr` speaks TLS (Headscale: the certificate alone decides)."""
        return bool(self.tls_cert_path or self.tls_letsencrypt_hostname)

    @property
    def answers_acme(self) -> bool:
        """Whether a certificate authority is answered by HTTP-01."""
        by_http = self.tls_letsencrypt_challenge_type == "HTTP-01" and self.tls_letsencrypt_listen
        return bool(self.tls_letsencrypt_hostname and by_http)
