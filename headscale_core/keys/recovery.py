"""What Headscale 0.28 takes with any user, everybody's preauth keys (headscale issue 3154), and how ours come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from headscale_core import HeadscaleClient, PreAuthKey, User
from headscale_core.keys.annotations import EXPIRED_BEFORE_WIPE, KEY_ID, OWNER, PREFIX, RECREATED_FROM, SPEC
from headscale_core.keys.pre_auth_key import DesiredPreAuthKey, by_id, data_key_of, issue, issued_in, remove_pending
from headscale_core.keys.secrets import SecretStore, SecretTemplate, StoredSecret
from headscale_core.users.lifecycle import UserError, is_usable

Found = tuple[str, str, StoredSecret]
"""A Secret, with its namespace and name."""


@dataclass(frozen=True, slots=True)
class KeyRecovery:
    """The keys that a deletion takes, which are recreated at once.

    Attributes:
        client: The Headscale.
        store: The Secrets.
        secrets: Returns all Secrets of ours that hold preauth keys.
        now: The time.
    """

    client: HeadscaleClient
    store: SecretStore
    secrets: Callable[[], Iterable[Found]]
    now: datetime

    def prepare(self, deleted: User) -> None:
        """Check that every key that would be lost can be recreated, and note which are over already.

        Args:
            deleted: The user whose deletion takes all keys with it; its own are not recreated.

        Raises:
            UserError: When a usable key is in no Secret of ours: nobody could make it anew.
        """
        found, keys = self._without_pending()
        kept = {stored.annotations.get(KEY_ID) for value in found if (stored := value[2]) and _desired_of(*value)}
        lost = [
            key
            for key in keys
            if is_usable(key, self.now) and str(key.id) not in kept and (not key.user or key.user.id != deleted.id)
        ]
        if lost:
            ids = ", ".join(str(key.id) for key in lost)
            raise UserError(
                f"deleting user `{deleted.name}` would delete preauth key(s) {ids}, which are in no Secret of this "
                "stack and so cannot be recreated; end them by `headscale preauthkeys expire` if nobody needs them"
            )
        listed = by_id(keys)
        for namespace, name, stored in found:
            key = listed.get(stored.annotations.get(KEY_ID, ""))
            if key and not is_usable(key, self.now) and EXPIRED_BEFORE_WIPE not in stored.annotations:
                notes = {**stored.annotations, EXPIRED_BEFORE_WIPE: "true"}
                self.store.write(namespace, name, StoredSecret(stored.data, notes, stored.labels))

    def recreate(self, deleted: User) -> list[str]:
        """Make the keys anew that were taken, and return their Secrets. It may be called any number of times.

        Args:
            deleted: The user that is gone.
        """
        found, keys = self._without_pending()
        known, recreated = by_id(keys), []
        for namespace, name, stored in found:
            desired, issued = _desired_of(namespace, name, stored), issued_in(stored)
            if desired is None or issued is None or issued.find_in(known) or EXPIRED_BEFORE_WIPE in stored.annotations:
                continue
            if issued.expires_at <= self.now or desired.user_id == str(deleted.id):
                continue
            ids = ",".join(filter(None, (stored.annotations.get(RECREATED_FROM), issued.key_id)))
            left = max(issued.expires_at - self.now, timedelta(seconds=1))
            try:
                issue(self.client, self.store, desired, self.now, stored, lifetime=left, recreated_from=ids)
            except UserError:
                # Its owner is gone: so is the key, with or without this deletion.
                continue
            recreated.append(f"{namespace}/{name}")
        return recreated

    def _without_pending(self) -> tuple[list[Found], list[PreAuthKey]]:
        """Return Secrets and keys, without what killed runs made and did not write down."""
        found = list(self.secrets())
        keys = self.client.list_pre_auth_keys()
        for _, _, stored in found:
            remove_pending(self.client, stored, keys)
        return found, self.client.list_pre_auth_keys()


def _desired_of(namespace: str, name: str, stored: StoredSecret) -> DesiredPreAuthKey | None:
    """Return how a key was declared, as its Secret tells; None where it does not."""
    data_key = data_key_of(stored)
    try:
        user_id, expiration, reusable, ephemeral, tags = json.loads(stored.annotations[SPEC])
    except (KeyError, ValueError):
        return None
    if data_key not in stored.data:
        return None
    extra = {key: text for key, text in stored.annotations.items() if not key.startswith(PREFIX)}
    template = SecretTemplate(data_key, stored.labels, extra)
    owner = stored.annotations.get(OWNER)
    return DesiredPreAuthKey(namespace, name, user_id, expiration, reusable, ephemeral, tuple(tags), template, owner)
