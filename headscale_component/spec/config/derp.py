"""`derp`: the relays that nodes use when they cannot reach each other directly."""

from __future__ import annotations

from typing import Annotated

from headscale_component.spec.config.types import (
    DATA_DIRECTORY,
    ConfigSection,
    Endpoint,
    FilePath,
    Flag,
    GoDuration,
    HttpUrl,
    IpAddress,
    Positive,
    Since,
    Text,
    UpstreamDefault,
)


class DerpServerConfig(ConfigSection):
    """`derp.server`: the relay that is built into Headscale. Clients reach it under `server_url`."""

    enabled: Flag = False
    """Whether Headscale itself relays traffic between nodes that cannot reach each other directly. The relay is served
    on `listen_addr`, and `server_url` must begin with https:// for clients to use it
    (https://headscale.net/stable/ref/derp/)."""

    region_id: Annotated[Positive, UpstreamDefault("0")] = 999
    """Its region's number; Tailscale leaves 900 to 999 to others."""

    region_code: Annotated[Text, UpstreamDefault("empty")] = "headscale"
    """Its region's short name."""

    region_name: Annotated[Text, UpstreamDefault("empty")] = "Headscale Embedded DERP"
    """Its region's name, as clients show it."""

    verify_clients: Annotated[Flag, Since((0, 27))] = True
    """Whether only nodes of this tailnet may use it."""

    stun_listen_addr: Annotated[Endpoint, UpstreamDefault("none")] = "0.0.0.0:3478"
    """Where it answers STUN, over UDP; a port of the Service follows it."""

    private_key_path: Annotated[FilePath, UpstreamDefault("none")] = f"{DATA_DIRECTORY}/derp_server_private.key"
    """Its key, made at the first start; another file than the noise key."""

    automatically_add_embedded_derp_region: Flag = True
    """Whether it is put into the relay map that nodes get. Without, it has to stand in a map of `paths`."""

    ipv4: IpAddress | None = None
    """Its public IPv4 address, where clients shall not look it up."""

    ipv6: IpAddress | None = None
    """Its public IPv6 address, where clients shall not look it up."""


class DerpConfig(ConfigSection):
    """`derp`: at least one relay has to come of `server`, `urls` and `paths`, or Headscale does not start."""

    server: DerpServerConfig = DerpServerConfig()
    """The relay that is built into Headscale: whether it is on, its region in the relay map, and its STUN port."""

    urls: Annotated[tuple[HttpUrl, ...], UpstreamDefault("none")] = (
        "https://controlplane.tailscale.com/derpmap/default",
    )
    """Relay maps to fetch. Headscale does not start while one cannot be fetched: `[]` where there is no internet."""

    paths: tuple[FilePath, ...] = ()
    """Relay maps in files of the pod, which have to be there."""

    auto_update_enabled: Annotated[Flag, UpstreamDefault("false")] = True
    """Whether the maps are fetched again."""

    update_frequency: GoDuration = "3h"
    """How often the relay maps of `urls` and `paths` are read again, as a Go duration such as `3h` or `90m`; used while
    `auto_update_enabled` is on; `0s` for never. Nodes get a changed map without a restart."""
