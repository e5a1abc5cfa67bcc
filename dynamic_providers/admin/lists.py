"""What a refresh reads: the users and keys of a Headscale and their Secrets, cached for a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dynamic_providers.admin.list_cache import ListCache
from dynamic_providers.admin.sessions import Sessions
from dynamic_providers.kubernetes.secret_store import KubernetesSecretStore
from dynamic_providers.retry import retry_idempotent
from headscale_core import ApiKey, HeadscaleClient, PreAuthKey, User
from headscale_core.keys.secrets import StoredSecret

Listed = TypeVar("Listed")


class Lists:
    """The lists of one Headscale, shared by all resources of a process; safe to share between threads.

    Lists of Headscale raise what `Sessions.session` raises where a stopped pod is not waited for.

    Args:
        sessions: The connection to Headscale.
        secrets: Returns the store of the Secrets of one kind of keys.
    """

    def __init__(self, sessions: Sessions, secrets: Callable[[str], KubernetesSecretStore]) -> None:
        self._sessions, self._secrets, self._cache = sessions, secrets, ListCache()

    def users(self) -> dict[str, User]:
        """Return the users by id."""
        return self._cache.get(
            "users", lambda: {str(user.id): user for user in self._fetch(HeadscaleClient.list_users)}
        )

    def pre_auth_keys(self) -> dict[str, PreAuthKey]:
        """Return the preauth keys by id, expired ones too."""
        return self._cache.get(
            "pre_auth_keys", lambda: {str(key.id): key for key in self._fetch(HeadscaleClient.list_pre_auth_keys)}
        )

    def api_keys(self) -> list[ApiKey]:
        """Return the API keys, expired ones too."""
        return self._cache.get("api_keys", lambda: self._fetch(HeadscaleClient.list_api_keys))

    def stored(self, kind: str, namespace: str, name: str) -> StoredSecret | None:
        """Return the Secret of a key; None where it does not exist or is not managed by this component.

        Args:
            kind: The kind of key, see `KIND_LABEL`.
            namespace: The Secret's namespace.
            name: The Secret's name.

        Raises:
            ClusterError: When the Secrets of the namespace cannot be listed.
        """
        return self._cache.get((kind, namespace), lambda: self._secrets(kind).all(namespace)).get(name)

    def invalidate(self) -> None:
        """Have every list fetched again: something has changed."""
        self._cache.invalidate()

    def _fetch(self, list_all: Callable[[HeadscaleClient], Listed]) -> Listed:
        def attempt() -> Listed:
            with self._sessions.session(wait_for_pod=False) as client:
                return list_all(client)

        return retry_idempotent(attempt)
