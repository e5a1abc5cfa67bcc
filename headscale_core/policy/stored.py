"""Whether the policy that a stack declares is stored in Headscale, asked once for all keys of a run.

With no policy stored, Headscale lets every node reach every other (`pol == nil` in
https://github.com/juanfont/headscale/blob/main/hscontrol/policy/v2/filter.go). So no key with which nodes join is
created before there is one, also where somebody removed it after it was stored.
"""

from __future__ import annotations

import threading

from headscale_core import HeadscaleClient
from headscale_core.policy.lifecycle import PolicyError, stored


class StoredPolicy:
    """What one process knows of the declared policy; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_declared = False
        self._is_stored: bool | None = None

    def declare(self, *, is_declared: bool) -> None:
        """Take whether the stack declares a policy."""
        with self._lock:
            self._is_declared = is_declared

    def confirm(self) -> None:
        """Record that this process has stored the declared policy, so that no request is needed."""
        with self._lock:
            self._is_stored = True

    def require(self, client: HeadscaleClient, key: str) -> None:
        """Check that a policy is stored, where the stack declares one; Headscale is asked once.

        Args:
            client: The Headscale.
            key: What is to be created, for the message.

        Raises:
            PolicyError: When the stack declares a policy and Headscale has none.
            HeadscaleError: When Headscale does not answer; the next call asks again.
        """
        with self._lock:
            if not self._is_declared:
                return
            if self._is_stored is None:
                self._is_stored = bool(stored(client))
            if not self._is_stored:
                raise PolicyError(
                    f"{key} is not created: Headscale has no policy stored, though the stack declares one, so that "
                    "a node which joins would reach every other; run `pulumi up --refresh`, which stores it again"
                )
