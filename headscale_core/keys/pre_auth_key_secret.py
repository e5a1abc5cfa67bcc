"""A preauth key as it is declared, as it was issued, and as its Secret holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headscale_core.client.models import PreAuthKey
from headscale_core.defaults import PRE_AUTH_KEY_DATA_KEY
from headscale_core.keys.annotations import (
    DATA_KEY_NAME,
    EXPIRES_AT,
    KEY_ID,
    OWNER,
    RECREATED_FROM,
    SPEC,
    TAGS,
    PreAuthKeySpec,
    own_annotations,
    time_in,
)
from headscale_core.keys.secrets import SecretTemplate, StoredSecret

_DEFAULT_TEMPLATE = SecretTemplate(PRE_AUTH_KEY_DATA_KEY)
_OPTIONAL = (OWNER, RECREATED_FROM, DATA_KEY_NAME)

Keys = Mapping[str, PreAuthKey]
"""Headscale's keys by id."""


@dataclass(frozen=True, slots=True)
class DesiredPreAuthKey:
    """A preauth key as it is declared.

    Attributes:
        namespace: Namespace of its Secret.
        secret_name: Name of its Secret.
        user_id: Id of the owner, None for a key with tags alone.
        expiration: How long the key can be used.
        reusable: Whether more than one node may join with it.
        ephemeral: Whether its nodes are removed when they are away.
        tags: Tags for its nodes.
        template: The Secret's data key, and the labels and annotations that people want on it.
        owner: The name of its resource in Pulumi; a Secret of another owner holds another key.
    """

    namespace: str
    secret_name: str
    user_id: str | None
    expiration: timedelta
    reusable: bool
    ephemeral: bool
    tags: tuple[str, ...]
    template: SecretTemplate = _DEFAULT_TEMPLATE
    owner: str | None = None

    @property
    def spec(self) -> PreAuthKeySpec:
        """All that makes it another key when it changes."""
        return PreAuthKeySpec(self.user_id, self.expiration, self.reusable, self.ephemeral, tuple(sorted(self.tags)))


@dataclass(frozen=True, slots=True)
class IssuedPreAuthKey:
    """A key with its text, which is shown nowhere.

    Attributes:
        key_id: Headscale's id of it.
        text: The key.
        expires_at: When it expires.
    """

    key_id: str
    text: str = field(repr=False)
    expires_at: datetime

    def find_in(self, keys: Keys) -> PreAuthKey | None:
        """Return what Headscale has of it, None where it is gone.

        The id alone is no proof: in a database that was lost or restored, ids are reused for other keys.
        """
        listed = keys.get(self.key_id)
        # Lists of 0.28 and newer show the beginning, older ones the whole.
        return listed if listed and self.text.startswith(listed.key.removesuffix("***")) else None


def by_id(keys: Iterable[PreAuthKey]) -> Keys:
    """Return keys by id, as text."""
    return {str(key.id): key for key in keys}


def secret_for(issued: IssuedPreAuthKey, desired: DesiredPreAuthKey, recreated_from: str = "") -> StoredSecret:
    """Return the Secret of a key.

    Args:
        issued: The key.
        desired: How it is declared.
        recreated_from: Ids of the keys that it replaces, separated by commas.
    """
    data_key = desired.template.data_key
    annotations = {
        **desired.template.annotations,
        KEY_ID: issued.key_id,
        EXPIRES_AT: issued.expires_at.isoformat(),
        SPEC: str(desired.spec),
        TAGS: ",".join(desired.tags),
        OWNER: desired.owner or "",
        RECREATED_FROM: recreated_from,
        DATA_KEY_NAME: data_key if data_key != PRE_AUTH_KEY_DATA_KEY else "",
    }
    kept = {name: text for name, text in annotations.items() if text or name not in _OPTIONAL}
    return StoredSecret({data_key: issued.text}, kept, desired.template.labels)


def issued_in(stored: StoredSecret) -> IssuedPreAuthKey | None:
    """Return the key that a Secret holds, None where it holds none."""
    text, expires_at = stored.data.get(data_key_of(stored)), time_in(stored.annotations, EXPIRES_AT)
    key_id = stored.annotations.get(KEY_ID)
    return IssuedPreAuthKey(key_id, text, expires_at) if text and expires_at and key_id else None


def issued_as_desired(stored: StoredSecret, desired: DesiredPreAuthKey) -> IssuedPreAuthKey | None:
    """Return the key that a Secret holds, None where it was created with another specification than is declared."""
    if data_key_of(stored) != desired.template.data_key:
        return None
    return issued_in(stored) if PreAuthKeySpec.parse(stored.annotations.get(SPEC)) == desired.spec else None


def desired_in(namespace: str, name: str, stored: StoredSecret) -> DesiredPreAuthKey | None:
    """Return how a key was declared, by the annotations of its Secret; None where they are missing."""
    spec, data_key = PreAuthKeySpec.parse(stored.annotations.get(SPEC)), data_key_of(stored)
    if spec is None or data_key not in stored.data:
        return None
    own = own_annotations(stored.annotations)
    extra = {key: text for key, text in stored.annotations.items() if key not in own}
    return DesiredPreAuthKey(
        namespace,
        name,
        spec.user_id,
        spec.expiration,
        spec.reusable,
        spec.ephemeral,
        spec.tags,
        template=SecretTemplate(data_key, stored.labels, extra),
        owner=stored.annotations.get(OWNER),
    )


def data_key_of(stored: StoredSecret) -> str:
    """Return under which name a Secret holds its key."""
    # Secrets that were written before there was an annotation for it hold nothing else.
    only = next(iter(stored.data), PRE_AUTH_KEY_DATA_KEY) if len(stored.data) == 1 else PRE_AUTH_KEY_DATA_KEY
    return stored.annotations.get(DATA_KEY_NAME, only)


def belongs_to(stored: StoredSecret, state: IssuedPreAuthKey) -> bool:
    """Return whether a Secret holds the key that the state knows, or the one that was recreated in its place."""
    annotations = stored.annotations
    is_same_key = annotations.get(KEY_ID) == state.key_id and time_in(annotations, EXPIRES_AT) == state.expires_at
    return is_same_key or state.key_id in annotations.get(RECREATED_FROM, "").split(",")
