"""The names of the notes on a stack, by which people silence them. A name never changes: it is in people's stacks."""

from typing import Literal, get_args

NoteName = Literal[
    "address-family-added",
    "address-not-reached",
    "ephemeral-not-reusable",
    "name-begins-with-digit",
    "policy-locks-out",
    "policy-tests-need-nodes",
    "policy-users",
    "privileged-port",
    "record-outside-base-domain",
    "tags-kept-by-nodes",
    "upgrade-addresses",
    "upgrade-clients",
    "upgrade-image-digest",
    "upgrade-metrics",
    "upgrade-oidc-expiry",
    "upgrade-policy",
    "version-not-known",
]
"""What `silence` takes."""

NOTE_NAMES: tuple[NoteName, ...] = get_args(NoteName)
"""All of them, in the order of the alphabet."""
