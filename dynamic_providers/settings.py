"""What a connection was told: where its Headscale is, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass

from headscale_core.defaults import GRPC_PORT, HTTP_PORT, RELAY_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """What a connection was told; see `ConnectionArgs`."""

    instance: str
    namespace: str
    channel: str = "relay"
    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    relay_port: int = RELAY_PORT
    grpc_port: int = GRPC_PORT
    address: str | None = None
    api_key: str | None = None
    api_key_secret: str | None = None
    tls: bool = False
    ca_certificate: str | None = None
    transport: str = "grpc"
    http_port: int = HTTP_PORT
    server_name: str | None = None
    keys_on_user_deletion: str = "refuse"

    @property
    def pod(self) -> str:
        """The instance's one pod."""
        return f"{self.instance}-0"

    @property
    def borrows_key(self) -> bool:
        """Whether an API key is made for the moment, and deleted after use."""
        return self.channel == "pod" and not (self.api_key or self.api_key_secret)
