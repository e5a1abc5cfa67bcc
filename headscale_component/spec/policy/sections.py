"""The sections of a policy, in Headscale's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from headscale_component.spec.model import SpecModel


def _empty_for_null(names: object) -> object:
    """Return an empty list for null, which is what a key with nothing behind it is in YAML."""
    return [] if names is None else names


def _without_spaces(action: object) -> object:
    """Return an action without spaces around it."""
    return action.strip() if isinstance(action, str) else action


def _number_as_text(period: object) -> object:
    """Return a number as a text: `0` is a time without a unit to every version."""
    return str(period) if isinstance(period, int | float) and not isinstance(period, bool) else period


Names = Annotated[list[str], BeforeValidator(_empty_for_null)]
"""Names of users, groups, tags and the like."""


class AutoApproversSpec(SpecModel):
    """Who may offer routes and exit nodes without anybody's approval."""

    routes: dict[str, Names] = Field(default_factory=dict)
    """Tags, groups or users by route, for example `10.0.0.0/8: ["tag:router"]`."""

    exit_node: list[str] = Field(default_factory=list)
    """Tags, groups or users whose nodes may be exit nodes."""


class AclSpec(SpecModel):
    """Who may reach which ports."""

    action: Literal["accept"]
    """What is done: Headscale knows `accept` alone, and everything else is closed."""

    proto: str | int | None = None
    """The protocol, by name or number, for example `tcp`; default: TCP, UDP and ICMP."""

    src: list[str]
    """Who: users, groups, tags, hosts, addresses, `autogroup:member`, `autogroup:tagged`, `*`."""

    dst: list[str]
    """What, with ports: `tag:web:443`, `10.0.0.0/8:22,80-90`, `*:*`."""

    @model_validator(mode="before")
    @classmethod
    def _without_notes(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        """Pass over keys that begin with `#`, as Headscale does: headscale-admin keeps notes in them."""
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if not str(key).startswith("#")}
        return data


class GrantSpec(SpecModel):
    """Who may reach what, in newer words (0.29)."""

    src: list[str]
    """Who: as in `acls`."""

    dst: list[str]
    """What, without ports."""

    ip: list[str] | None = None
    """Which ports, for example `443` or `udp:53`."""

    app: dict[str, list[Any]] | None = None
    """Which capabilities of applications."""

    via: list[str] | None = None
    """Through which tagged routers."""


class SshSpec(SpecModel):
    """Who may log in where by Tailscale SSH."""

    action: Annotated[Literal["accept", "check"], BeforeValidator(_without_spaces)]
    """`accept`, or `check`: after another login."""

    src: list[str]
    """Who: users, groups, tags, `autogroup:member`."""

    dst: list[str]
    """Where: users, tags, `autogroup:self`."""

    users: list[str]
    """As which users of the machine, for example `root` or `autogroup:nonroot`."""

    check_period: Annotated[str, BeforeValidator(_number_as_text)] | None = None
    """How long a login is good for, with `check`."""

    accept_env: list[str] | None = None
    """Which variables are passed on (0.29)."""


class NodeAttributesSpec(SpecModel):
    """Attributes of nodes (0.29)."""

    target: list[str]
    """Which nodes: users, groups, tags, `*`."""

    attr: list[str] | None = None
    """Which attributes."""

    ip_pool: list[str] | None = None
    """From which networks they get addresses."""


class PolicyTestSpec(SpecModel):
    """What the policy has to allow and deny (0.29)."""

    src: str
    """Who."""

    proto: str | int | None = None
    """By which protocol: `tcp`, `udp` or `sctp`."""

    accept: list[str] | None = None
    """What has to be reached, with a port."""

    deny: list[str] | None = None
    """What must not be reached, with a port."""


class SshTestSpec(SpecModel):
    """What the policy has to allow and deny of SSH (0.29)."""

    src: str
    """Who."""

    dst: list[str]
    """Where."""

    accept: list[str] | None = None
    """As which users of the machine they have to get in."""

    deny: list[str] | None = None
    """As which users they must not get in."""

    check: list[str] | None = None
    """As which users they have to get in after another login."""
