"""`node`: when nodes expire, and how subnet routers stand in for each other."""

from __future__ import annotations

from typing import Annotated

from headscale_component.spec.config.types import Absence, ConfigSection, Expiry, GoDuration, Since


class EphemeralConfig(ConfigSection):
    """`node.ephemeral`: nodes that go when they are away."""

    inactivity_timeout: Absence | None = None
    """How long one may be away; more than 65 s. Default: `ephemeral_node_inactivity_timeout`, its name before 0.29."""


class HaConfig(ConfigSection):
    """`node.routes.ha`: several routers for one route."""

    probe_interval: GoDuration = "10s"
    """How often the routers are looked at; 0 for never, else at least 2s."""

    probe_timeout: GoDuration = "5s"
    """How long one may take to answer; at least 1s and less than the interval."""


class RoutesConfig(ConfigSection):
    """`node.routes`: subnet routes."""

    ha: HaConfig = HaConfig()
    """How the health of subnet routers is probed where several nodes announce the same route, so that another one takes
    over when the primary does not answer."""


class NodeConfig(ConfigSection):
    """`node`: new in 0.29."""

    expiry: Annotated[Expiry, Since((0, 29))] = "0"
    """After how long a node has to log in again; "0" for never."""

    ephemeral: EphemeralConfig = EphemeralConfig()
    """Nodes that go when they are away."""

    routes: Annotated[RoutesConfig, Since((0, 29))] = RoutesConfig()
    """What Headscale does with subnet routes that several nodes announce (high availability)."""
