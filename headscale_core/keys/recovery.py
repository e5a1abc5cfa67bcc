"""How preauth keys are recreated that Headscale 0.28 deletes: with any user, it deletes those of all.

See `WIPES_ALL_KEYS_ON_USER_DELETION` in `headscale_core.values.versions` for source and end of this workaround.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from headscale_core import HeadscaleClient, PreAuthKey, User
from headscale_core.keys.annotations import EXPIRED_BEFORE_WIPE, KEY_ID, RECREATED_FROM
from headscale_core.keys.pre_auth_key import issue, remove_pending
from headscale_core.keys.pre_auth_key_secret import by_id, desired_in, issued_in
from headscale_core.keys.secrets import SecretStore, StoredSecret
from headscale_core.users.lifecycle import UserError, is_usable

Found = tuple[str, str, StoredSecret]
"""A Secret, with its namespace and name."""


@dataclass(frozen=True, slots=True)
class KeyRecovery:
    """The keys that the deletion of a user deletes too, which are recreated at once.

    Attributes:
        client: The Headscale.
        store: The Secrets.
        secrets: Returns all managed Secrets that hold preauth keys.
        now: The time.
    """

    client: HeadscaleClient
    store: SecretStore
    secrets: Callable[[], Iterable[Found]]
    now: datetime

    def prepare(self, deleted: User) -> None:
        """Check that every key that would be lost can be recreated, and annotate those that are invalid already.

        Args:
            deleted: The user whose deletion takes all keys with it; its own are not recreated.

        Raises:
            UserError: When a usable key is in no managed Secret, so that it could not be recreated.
        """
        found, keys = self._without_pending()
        kept = {
            stored.annotations.get(KEY_ID) for namespace, name, stored in found if desired_in(namespace, name, stored)
        }
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
                annotations = {**stored.annotations, EXPIRED_BEFORE_WIPE: "true"}
                self.store.write(namespace, name, StoredSecret(stored.data, annotations, stored.labels))

    def recreate(self, deleted: User) -> list[str]:
        """Recreate the keys that were deleted, and return their Secrets, as `namespace/name`. It is idempotent.

        Args:
            deleted: The user that is gone.
        """
        found, keys = self._without_pending()
        known, recreated = by_id(keys), []
        for namespace, name, stored in found:
            desired, issued = desired_in(namespace, name, stored), issued_in(stored)
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
        """Return Secrets and keys, without the keys that interrupted runs created and did not store."""
        found = list(self.secrets())
        keys = self.client.list_pre_auth_keys()
        for _, _, stored in found:
            remove_pending(self.client, stored, keys)
        return found, self.client.list_pre_auth_keys()
