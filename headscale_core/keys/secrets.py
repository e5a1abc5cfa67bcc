"""The Secrets that hold keys, and the protocol by which they are read and written."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headscale_core.errors import HeadscaleError


class SecretNotOwned(HeadscaleError):
    """A Secret of that name exists and is not managed by this component."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A Secret that this component manages.

    Attributes:
        data: Its values in clear, never shown.
        annotations: Those of `annotations` about the key that it holds, and those that people want.
        labels: Those that people want, besides our own.
    """

    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)

    def without_values(self, text: str) -> str:
        """Return a text without the values, in clear and in base64: who refuses a Secret may repeat it.

        Keys of Headscale before 0.28 have no prefix by which a pattern could find them.
        """
        for value in filter(None, self.data.values()):
            for shown in (value, base64.b64encode(value.encode()).decode()):
                text = text.replace(shown, "(hidden)")
        return text


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """The form that people want for a Secret, so that their pods and tools can use it as it is.

    Attributes:
        data_key: The name of the key in its `data`.
        labels: Labels besides our own.
        annotations: Annotations besides our own.
    """

    data_key: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def matches(self, secret: StoredSecret) -> bool:
        """Return whether a Secret has this form."""
        return (
            self.data_key in secret.data
            and self.labels.items() <= secret.labels.items()
            and self.annotations.items() <= secret.annotations.items()
        )


def read_if_owned(store: SecretStore, namespace: str, name: str) -> StoredSecret | None:
    """Return the managed Secret; None where there is none, or it is not managed any more."""
    try:
        return store.read(namespace, name)
    except SecretNotOwned:
        return None


class SecretStore(Protocol):
    """Reads and writes the Secrets of one kind of keys of an instance."""

    def read(self, namespace: str, name: str) -> StoredSecret | None:
        """Return the managed Secret, None where there is none.

        Raises:
            SecretNotOwned: When it is not managed by this component.
        """
        ...

    def write(self, namespace: str, name: str, secret: StoredSecret) -> None:
        """Write the whole managed Secret; call `read` before, which checks that it is managed."""
        ...

    def delete(self, namespace: str, name: str) -> None:
        """Delete the managed Secret; one that is gone or not managed is left alone."""
        ...
