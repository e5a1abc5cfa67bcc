"""Headscale's own configuration: the keys of its `config.yaml`, with defaults that are right in a pod.

The sections that the quick start needs are typed; the rest of the known keys are passed through as they are.
Source of keys and rules: Headscale's `config-example.yaml` and `hscontrol/types/config.go`, 0.26 to 0.29.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from headscale_component.spec.model import Leaf, SpecModel

DATA_DIRECTORY = "/var/lib/headscale"
"""Where the volume is mounted: database, noise key, ACME cache."""

SOCKET_DIRECTORY = "/var/run/headscale"
"""The directory that headscale and the sidecar share."""

Passed = dict[str, Any]


class ConfigModel(SpecModel):
    """A section of `config.yaml`: keys are Headscale's own, in snake_case."""

    model_config = ConfigDict(alias_generator=None)


class OpenSection(ConfigModel):
    """A section whose other keys are passed to Headscale as they are."""

    model_config = ConfigDict(extra="allow")


class DatabaseConfig(OpenSection):
    """`database`: SQLite on the volume, or PostgreSQL."""

    type: Literal["sqlite", "postgres"] = "sqlite"
    """Headscale's developers advise SQLite; PostgreSQL is kept for old installations."""

    sqlite: Passed = Field(default_factory=dict)
    """Settings of SQLite."""


class PolicyConfig(OpenSection):
    """`policy`: where the access policy comes from."""

    mode: Literal["file", "database"] = "database"
    """`database` lets a policy be changed without a restart. Any other word would silently mean "allow all"."""


class DnsConfig(OpenSection):
    """`dns`: what Headscale tells nodes about names."""

    magic_dns: bool | None = None
    """Whether nodes find each other by name; needs `base_domain`. Default: on if `base_domain` is given."""

    base_domain: Leaf[str] | None = None
    """The domain of the nodes' names; must not contain the host of `server_url`."""

    override_local_dns: bool | None = None
    """Whether nodes use `nameservers.global` for everything. Default: on if there are any."""

    nameservers: Passed = Field(default_factory=dict)
    """`global`: a list of addresses; `split`: lists of addresses by domain."""


class DerpServerConfig(OpenSection):
    """`derp.server`: the relay that is built into Headscale."""

    enabled: bool = False
    """Whether it runs; clients reach it under `server_url`, and by STUN over UDP."""

    stun_listen_addr: str = "0.0.0.0:3478"
    """Where it answers STUN, over UDP."""


class DerpConfig(OpenSection):
    """`derp`: the relays that nodes use when they cannot reach each other directly."""

    server: DerpServerConfig = DerpServerConfig()
    """The relay that is built into Headscale."""

    urls: tuple[str, ...] = ("https://controlplane.tailscale.com/derpmap/default",)
    """Relay maps to fetch. Headscale does not start while one cannot be fetched: `[]` where there is no internet."""


class HeadscaleConfig(ConfigModel):
    """What becomes `config.yaml`."""

    server_url: Leaf[str]
    """The address that clients use, for example `https://vpn.example.com`."""

    listen_addr: str = "0.0.0.0:8080"
    """Where Headscale serves clients and its HTTP API; the port of the Service follows it."""

    metrics_listen_addr: str = "0.0.0.0:9090"
    """Where Headscale serves metrics; the port of the metrics Service follows it."""

    grpc_listen_addr: str | None = None
    """Where Headscale serves gRPC if it has TLS or `grpc_allow_insecure`; default port 50443."""

    grpc_allow_insecure: bool | None = None
    """Whether gRPC is served without TLS. Not needed by us: the admin channel is the sidecar's relay."""

    disable_check_updates: bool = True
    """Headscale's default is false, and then it hangs at start where the internet cannot be reached."""

    unix_socket: str = f"{SOCKET_DIRECTORY}/headscale.sock"
    """Headscale's own socket, which the sidecar uses."""

    unix_socket_permission: str = "0770"
    """Mode of the socket, in quotes: YAML reads `0770` without them as another number."""

    database: DatabaseConfig = DatabaseConfig()
    """Where Headscale keeps its data."""

    dns: DnsConfig = DnsConfig()
    """What Headscale tells nodes about names."""

    derp: DerpConfig = DerpConfig()
    """Relays for nodes."""

    policy: PolicyConfig = PolicyConfig()
    """Where the access policy comes from."""

    ephemeral_node_inactivity_timeout: str = "30m"
    """How long an ephemeral node may be away before it is removed; more than 65 s. Written under its new name,
    `node.ephemeral.inactivity_timeout`, for 0.29 and newer."""

    noise: Passed = Field(default_factory=dict)
    """Key of the control protocol."""

    prefixes: Passed = Field(default_factory=dict)
    """Address ranges of the tailnet."""

    log: Passed = Field(default_factory=dict)
    """`level` and `format` of Headscale's log."""

    oidc: Passed | None = None
    """Login through an identity provider."""

    logtail: Passed = Field(default_factory=dict)
    """Whether clients send their logs to Tailscale; off."""

    node: Passed = Field(default_factory=dict)
    """Expiry of nodes and handling of ephemeral ones (0.29 and newer)."""

    taildrop: Passed | None = None
    """File sharing between nodes (0.28 and newer)."""

    tuning: Passed | None = None
    """Sizes of Headscale's inner queues."""

    auto_update: Passed | None = None
    """Whether clients are told to update themselves (0.29 and newer)."""

    trusted_proxies: list[str] | None = None
    """Proxies whose forwarding headers are believed (0.29 and newer)."""

    randomize_client_port: bool | None = None
    """Whether clients use random ports; 0.29 moved it into the policy."""

    tls_cert_path: str | None = None
    """Certificate that Headscale itself serves."""

    tls_key_path: str | None = None
    """Key of that certificate."""

    tls_letsencrypt_hostname: str | None = None
    """Name for which Headscale fetches a certificate itself."""

    tls_letsencrypt_cache_dir: str | None = None
    """Where such certificates are kept."""

    tls_letsencrypt_challenge_type: Literal["HTTP-01", "TLS-ALPN-01"] | None = None
    """How the certificate authority checks the name."""

    tls_letsencrypt_listen: str | None = None
    """Where HTTP-01 is answered."""

    acme_url: str | None = None
    """Another certificate authority."""

    acme_email: str | None = None
    """Contact for the certificate authority."""

    @field_validator("unix_socket")
    @classmethod
    def _in_the_shared_directory(cls, value: str) -> str:
        if value.startswith(f"{SOCKET_DIRECTORY}/") and "/" not in value.removeprefix(f"{SOCKET_DIRECTORY}/"):
            return value
        raise ValueError(f"must be a file in {SOCKET_DIRECTORY}, the one directory that the sidecar shares")

    @property
    def serves_tls(self) -> bool:
        """Whether `listen_addr` speaks TLS (Headscale: the certificate alone decides)."""
        return bool(self.tls_cert_path or self.tls_letsencrypt_hostname)
