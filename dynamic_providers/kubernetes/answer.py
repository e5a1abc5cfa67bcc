"""What the Kubernetes API server answers to a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes.errors import with_advice


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the API server.

    Attributes:
        status: HTTP status.
        body: The object, or a `Status` with the reason.
    """

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status < 400  # noqa: PLR2004 - HTTP

    @property
    def message(self) -> str:
        """The reason, where it was not, and what to do about it where that is known; one line."""
        return with_advice(str(self.body.get("message") or f"HTTP status {self.status}"))

    def error(self, problem: str) -> ClusterError:
        """Return the error of what was not done.

        Args:
            problem: What could not be done, as `Secret n/s cannot be read`.
        """
        return ClusterError(f"{problem}: {self.message}", self.status)
