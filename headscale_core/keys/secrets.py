"""Where keys are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headscale_core.errors import HeadscaleError


class SecretNotOwned(HeadscaleError):
    """A Secret of that name is somebody else's."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A Secret of ours.

    Attributes:
        data: Its values in clear, never shown.
        annotations: What we noted about the key it holds, and what people wish to stand there.
        labels: What people wish to stand there, besides our own labels.
    """

    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecretTemplate:
    """How people wish a Secret to look, so that their pods and tools can use it as it is.

    Attributes:
        data_key: Under which name the key stands in it.
        labels: More labels.
        annotations: More annotations.
    """

    data_key: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def matches(self, secret: StoredSecret) -> bool:
        """Return whether a Secret looks so."""
        return (
            self.data_key in secret.data
            and self.labels.items() <= secret.labels.items()
            and self.annotations.items() <= secret.annotations.items()
        )


def read_if_owned(store: SecretStore, namespace: str, name: str) -> StoredSecret | None:
    """Return our Secret; None where there is none, or it is somebody else's by now."""
    try:
        return store.read(namespace, name)
    except SecretNotOwned:
        return None


class SecretStore(Protocol):
    """Reads and writes the Secrets of one kind of keys of an instance."""

    def read(self, namespace: str, name: str) -> StoredSecret | None:
        """Return our Secret, None where there is none.

        Raises:
            SecretNotOwned: When it is somebody else's.
        """
        ...

    def write(self, namespace: str, name: str, secret: StoredSecret) -> None:
        """Make our Secret exactly so; whoever writes has read it before."""
        ...

    def delete(self, namespace: str, name: str) -> None:
        """Delete our Secret; one that is gone, or somebody else's, is left alone."""
        ...
