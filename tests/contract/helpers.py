"""What several suites do and ask."""

from datetime import UTC, datetime

from headscale_core.keys import pre_auth_key
from headscale_core.keys.pre_auth_key_secret import by_id
from headscale_core.users import lifecycle


def user_ref(user):
    """Return a user as the state knows it."""
    return lifecycle.UserRef(str(user.id), user.name, user.created_at)


def valid_prefixes(client):
    """Return the prefixes of the API keys that have not expired."""
    return [key.prefix for key in client.list_api_keys() if key.expiration > datetime.now(UTC)]


def delete_pre_auth_key(client, store, issued):
    """Delete the key of Secret ns/laptop, as a provider does."""
    keys = by_id(client.list_pre_auth_keys())
    pre_auth_key.delete(client, store, issued, keys, ("ns", "laptop"))
