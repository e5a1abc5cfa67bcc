"""The sidecar's control loop: read the Secret, rotate the key where that is due, return when to reconcile again.

Before the first pass it ensures that Headscale has a policy.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from headscale_core.defaults import API_KEY_DATA_KEY
from headscale_core.keys.api_key_secret import DesiredApiKey, IssuedApiKey, is_due, issued_in, needs_cleanup
from headscale_core.keys.secrets import SecretStore, StoredSecret
from headscale_sidecar.health import Health

_POLL_SECONDS = 30.0
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 60.0
_UNREACHABLE = "Unreachable"
"""The kind of failure where Headscale does not listen: the process that failed has waited for it already."""
_LONGEST_REASON = 1000
_KEY = re.compile(r"(hskey-|aHNrZXkt)[A-Za-z0-9+/=_-]+")
"""A key of Headscale, and its beginning in base64."""

Log = Callable[..., None]


@dataclass(slots=True)
class ApiKeyController:
    """Keeps a working key in the Secret of a Headscale that has a policy.

    Attributes:
        deny_all: Stores a policy that denies everything where Headscale has none, and returns whether it did. It is
            called before anything else, until it succeeds once, and where Headscale does not know the key any more: a
            policy that is cleared later in the same database stays cleared.
        is_valid: Asks Headscale whether it accepts a key.
        rotate: Creates a new key, or finishes an interrupted run, or revokes what was replaced; idempotent. It returns
            the prefix of the key in force.
        store: Where the Secret is.
        desired: The key and its Secret.
        health: What probes and metrics answer.
        now: The clock.
        log: Takes an event and its fields.
        report: Reports a failure to people, by its kind and message.
        failures_in_a_row: Failures since the last success.
        last_reported: The failure that was reported last, so that each is reported once.
        has_policy: Whether Headscale had a policy, or got one, since the sidecar started.
    """

    deny_all: Callable[[], bool]
    is_valid: Callable[[str], bool]
    rotate: Callable[[], str]
    store: SecretStore
    desired: DesiredApiKey
    health: Health
    now: Callable[[], datetime]
    log: Log
    report: Callable[[str, str], None]
    failures_in_a_row: int = 0
    last_reported: str = ""
    has_policy: bool = False

    def reconcile_once(self) -> float:
        """Reconcile and return the seconds until the next time.

        A failure is retried with backoff: the pause doubles up to a minute. No key is created before the last attempt
        is cleaned up.
        """
        self.health.last_loop_at = time.monotonic()
        try:
            if not self.has_policy:
                self._ensure_policy()
            issued = self._reconcile()
        except Exception as error:  # noqa: BLE001 - any error is reported, and the loop goes on
            return self._failed(error)
        self.failures_in_a_row, self.last_reported = 0, ""
        if not self.health.ready:
            self.log("ready", expires_at=issued.expires_at.isoformat())
        self.health.ready, self.health.not_ready_reason = True, ""
        self.health.expires_at = issued.expires_at.timestamp()
        times = [issued.expires_at - self.desired.rotation_buffer, issued.revoke_at]
        due_in = min((time - self.now()).total_seconds() for time in times if time is not None)
        return max(0.2, min(due_in + 0.05, _POLL_SECONDS * random.uniform(0.8, 1.2)))  # noqa: S311 - spreads load

    def _ensure_policy(self) -> None:
        if self.deny_all():
            self.log("stored a policy that denies everything", reason="Headscale has none")
        self.has_policy = True
        # This took as long as one pass may take.
        self.health.last_loop_at = time.monotonic()

    def _reconcile(self) -> IssuedApiKey:
        stored, issued = self._read_secret()
        reason, is_lost = self._reason_to_act(stored, issued)
        if not reason and issued is not None:
            return issued
        if is_lost:
            self.health.not_ready_reason, self.health.ready = reason, False
        if is_lost and issued is not None:
            # A key that is as it was written, and that Headscale does not know: its database may be a new one.
            self.has_policy = False
            self._ensure_policy()
        prefix = self.rotate()
        is_new = issued is None or prefix != issued.prefix
        if is_new:
            self.health.rotations += 1
            self.log("created an API key", reason=reason, prefix=prefix)
        else:
            self.log("cleaned up", reason=reason)
        stored, issued = self._read_secret()
        if stored is None or issued is None:
            raise RuntimeError("the Secret changed while it was written")
        if is_new and not self.is_valid(stored.data[API_KEY_DATA_KEY]):
            # Another key would not help: it is a failure, retried with backoff.
            raise RuntimeError("Headscale rejects the key that it just created")
        return issued

    def _read_secret(self) -> tuple[StoredSecret | None, IssuedApiKey | None]:
        stored = self.store.read(self.desired.namespace, self.desired.secret_name)
        return stored, issued_in(stored) if stored else None

    def _reason_to_act(self, stored: StoredSecret | None, issued: IssuedApiKey | None) -> tuple[str, bool]:
        """Return why something has to be done, empty where nothing has; and whether the Secret's key is invalid."""
        if stored is None or not stored.data:
            return "there is no Secret", True
        if issued is None:
            return "the Secret is not as it was written", True
        if needs_cleanup(stored, self.now()):
            return "a replaced key is to be revoked, or an earlier run was interrupted", False
        if is_due(issued.expires_at, self.desired.rotation_buffer, self.now()):
            return "rotation is due", False
        is_valid = self.is_valid(stored.data[API_KEY_DATA_KEY])
        return "" if is_valid else "Headscale does not know the key", not is_valid

    def _failed(self, error: Exception) -> float:
        kind = str(getattr(error, "kind", type(error).__name__))
        reason = error_text(error)
        self.failures_in_a_row += 1
        # Another dictionary each time: the thread that answers reads the old one meanwhile.
        self.health.failures = {**self.health.failures, kind: self.health.failures.get(kind, 0) + 1}
        if self.last_reported != reason:
            self.last_reported = reason
            self.log("failed", kind=kind, error=reason)
            with contextlib.suppress(Exception):
                # Kubernetes may be what fails; the log and the metric have it anyway.
                self.report(kind, reason)
        self.health.not_ready_reason = reason
        # A valid key stays valid while Kubernetes or Headscale is unreachable: ready until it expires.
        if self.health.expires_at <= self.now().timestamp():
            self.health.ready = False
        # Headscale without a policy allows everything as soon as it listens: no long backoff before that.
        is_awaited = not self.has_policy and kind == _UNREACHABLE
        longest = _FIRST_BACKOFF_SECONDS if is_awaited else _LONGEST_BACKOFF_SECONDS
        pause = min(longest, _FIRST_BACKOFF_SECONDS * 2.0 ** min(self.failures_in_a_row - 1, 6))
        return float(pause) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load


def error_text(error: Exception) -> str:
    """Return the message of an error, in one line of at most 1000 characters, without any key.

    An admission webhook may repeat the Secret that it refuses, in clear or in base64.
    """
    line = " ".join(str(error).split()) or type(error).__name__
    return _KEY.sub("(key)", line)[:_LONGEST_REASON]
