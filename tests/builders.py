"""What tests declare, complete and small; a test names only what it is about."""

from datetime import UTC, datetime, timedelta

from headscale_core.keys.api_key_secret import DesiredApiKey
from headscale_core.keys.pre_auth_key_secret import DesiredPreAuthKey
from headscale_core.values.durations import parse_duration


def an_instance(config=None, **changes):
    """Return an instance as a stack file has it."""
    return {
        "version": "v0.28.0",
        "config": {"server_url": "https://vpn.example.com", **(config or {})},
        **changes,
    }


def in_a(hours):
    """Return the time some hours from now."""
    return datetime.now(UTC) + timedelta(hours=hours)


def duration(text):
    """Return a lifetime in the type in which the rules of keys take it."""
    return parse_duration(text)


def desired_api_key(*, expiration="1h", rotation_buffer="10m", overlap="0s", **changes):
    """Return an API key in Secret ns/key; lifetimes are Go's text."""
    return DesiredApiKey(
        **{
            "namespace": "ns",
            "secret_name": "key",
            "expiration": duration(expiration),
            "rotation_buffer": duration(rotation_buffer),
            "overlap": duration(overlap),
            **changes,
        }
    )


def desired_pre_auth_key(*, expiration="1h", **changes):
    """Return a preauth key of the first user, in Secret ns/laptop; the lifetime is Go's text."""
    return DesiredPreAuthKey(
        **{
            "namespace": "ns",
            "secret_name": "laptop",
            "user_id": "1",
            "expiration": duration(expiration),
            "reusable": False,
            "ephemeral": False,
            "tags": (),
            **changes,
        }
    )
