"""What the providers of both kinds of keys share: their Secrets, and what they do where Headscale is not reachable."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, TypeVar

from dynamic_providers.errors import InstanceNotFound, InstanceStopped
from dynamic_providers.provider import HeadscaleProvider
from headscale_core.keys.revocation import PendingRevocation
from headscale_core.keys.secrets import SecretStore

Result = TypeVar("Result")


class KeyProvider(HeadscaleProvider):
    """The base of the keys' providers.

    Attributes:
        kind: The kind of key in the label of its Secret, see `KIND_LABEL`.
        title: What it is called in messages.
    """

    kind: ClassVar[str]
    title: ClassVar[str]

    @property
    def secrets(self) -> SecretStore:
        """The Secrets of this kind of key."""
        return self.channel.secrets(self.kind)

    def list_if_reachable(self, id_: str, props: Mapping[str, Any], list_keys: Callable[[], Result]) -> Result | None:
        """Return Headscale's keys, None where it does not run: the state stays as it is then.

        Args:
            id_: The id in the state.
            props: What the state has.
            list_keys: Lists the keys.

        Raises:
            WrongCluster: When the instance is not there and nothing shows that it was in this cluster.
        """
        try:
            return list_keys()
        except InstanceNotFound:
            if self.channel.lists.stored(self.kind, props["namespace"], props["secret_name"]) is None:
                self.channel.require_proof_of_deletion(f"{self.title} {id_}")
        except InstanceStopped as error:
            self.channel.instance_status.warn_refresh_skipped(error)
        return None

    def revoke_later(
        self,
        id_: str,
        keys: Collection[PendingRevocation],
        cause: InstanceNotFound | InstanceStopped,
        *,
        is_stored: bool,
    ) -> None:
        """Record keys of a Headscale that does not run, to be revoked once it does.

        Args:
            id_: The id in the state.
            keys: The keys.
            cause: Why Headscale is unreachable.
            is_stored: Whether the key's Secret is there, which shows that this is the right cluster.

        Raises:
            WrongCluster: When the instance is not there and nothing shows that it was in this cluster.
            UserFacingError: When they cannot be recorded.
        """
        title = f"{self.title} {id_}"
        if isinstance(cause, InstanceNotFound) and not is_stored:
            self.channel.require_proof_of_deletion(title)
        self.channel.revocations.add(title, keys, cause)
