"""What an API key's state holds, under the names of this version and of earlier ones."""

from typing import TypedDict

from dynamic_providers.key_secret import KeyInputs
from dynamic_providers.provider import Props
from dynamic_providers.renamed_outputs import under_present_names

_RENAMED = {
    "retire_at": "revoke_at",
    "replaced": "superseded",
    "is_lost": "not_found",
    "secret_is_wrong": "secret_drift",
}


class ApiKeyInputs(KeyInputs, total=False):
    """The inputs in the state.

    Attributes:
        rotation_buffer: A key with less than this left is rotated, a duration as text.
        overlap: How long a replaced key stays valid, a duration as text.
    """

    rotation_buffer: str
    overlap: str | None


class ApiKeyOutputs(TypedDict, total=False):
    """What the provider adds to the state; times are RFC 3339 with microseconds.

    Attributes:
        prefix: What names the key in Headscale's lists.
        expires_at: When the key expires.
        created_at: When it was created.
        revoke_at: When the next of the superseded keys is to be revoked; absent where none waits. Earlier versions
            wrote it as `retire_at`.
        superseded: Prefixes of the keys that it replaced and that are not revoked yet; once `replaced`.
        not_found: True where a refresh found that the Secret holds no key that Headscale knows; the next update
            rotates; once `is_lost`.
        secret_drift: True where a refresh found drift of the Secret; the next update writes it again;
            once `secret_is_wrong`.
    """

    prefix: str
    expires_at: str
    created_at: str
    revoke_at: str
    superseded: list[str]
    not_found: bool
    secret_drift: bool


def present_state(state: Props) -> Props:
    """Return a state, of an earlier version too, under the names of this one."""
    return under_present_names(state, _RENAMED)
