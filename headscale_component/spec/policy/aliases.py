"""What a name in a policy means: a user, a group, a tag, an autogroup, a host or an address."""

from __future__ import annotations

from headscale_component.spec.networks import is_network

UNREADABLE = "unreadable"
"""The kind of a name that Headscale cannot read."""


def kind_of(alias: str) -> str:
    """Return what a name means, in the order in which Headscale asks; of an autogroup, which.

    Source: `parseAlias`, https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/types.go#L1057.
    """
    if is_network(alias):
        return "address"
    if alias == "*":
        return "*"
    if "@" in alias:
        return "user"
    prefix, colon, _ = alias.partition(":")
    if not colon:
        return "host"
    return alias if prefix == "autogroup" else prefix if prefix in {"group", "tag"} else UNREADABLE
