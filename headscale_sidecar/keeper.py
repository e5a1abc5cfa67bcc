"""The sidecar's one loop: look at the Secret, replace the key where it must be, say when to look again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from headscale_api.durations import parse_duration
from headscale_api.stored_keys.api_key import Held, Wanted, as_written, is_due, is_unfinished
from headscale_api.stored_keys.store import SecretStore
from headscale_sidecar.health import Health

_LOOK_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0

Log = Callable[..., None]


@dataclass(slots=True)
class Keeper:
    """Keeps a working key in the Secret.

    Attributes:
        works: Asks Headscale whether it takes a key.
        replace: Makes a new key and revokes the old one, or finishes a run that was killed; may be done again.
        store: The Secret.
        wanted: Its name, the keys' lifetime, and when they are replaced.
        health: Where it tells how it is.
        now: The clock.
        log: Takes an event and its fields.
        failures_in_a_row: Since the last success.
    """

    works: Callable[[str], bool]
    replace: Callable[[], str]
    store: SecretStore
    wanted: Wanted
    health: Health
    now: Callable[[], datetime]
    log: Log
    failures_in_a_row: int = 0

    def turn(self) -> float:
        """Do what is to be done and return the seconds until the next look.

        A failure changes nothing but the pause, which doubles up to a minute: nothing spins, and nothing is made anew
        before the last attempt is cleaned up.
        """
        self.health.beat = time.monotonic()
        try:
            held = self._keep()
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on, and says what it was
            return self._failed(error)
        self.failures_in_a_row = 0
        if not self.health.ready:
            self.log("ready", expires_at=held.expires_at.isoformat())
        self.health.ready, self.health.why_not = True, ""
        self.health.expires_at = held.expires_at.timestamp()
        due_in = (held.expires_at - parse_duration(self.wanted.rotation_buffer) - self.now()).total_seconds()
        return max(0.2, min(due_in + 0.05, _LOOK_SECONDS * random.uniform(0.8, 1.2)))  # noqa: S311 - spreads load

    def _keep(self) -> Held:
        reason = self._reason_to_act()
        if reason:
            prefix = self.replace()
            self.health.rotations += 1
            self.log("made an API key", reason=reason, prefix=prefix)
        stored = self.store.read(self.wanted.namespace, self.wanted.secret_name)
        held = as_written(stored) if stored else None
        if held is None:
            raise RuntimeError("the Secret changed while it was written")
        return held

    def _reason_to_act(self) -> str:
        """Return why the key must be replaced, nothing where it need not."""
        stored = self.store.read(self.wanted.namespace, self.wanted.secret_name)
        held = as_written(stored) if stored else None
        if stored is None:
            return "there is no Secret"
        if held is None:
            return "the Secret is not as it was written"
        if is_unfinished(stored):
            return "an earlier run was interrupted"
        if is_due(held.expires_at, self.wanted.rotation_buffer, self.now()):
            return "rotation is due"
        return "" if self.works(stored.data["api-key"]) else "Headscale does not know the key"

    def _failed(self, error: Exception) -> float:
        kind = type(error).__name__
        self.failures_in_a_row += 1
        self.health.failures[kind] = self.health.failures.get(kind, 0) + 1
        if self.failures_in_a_row == 1 or self.health.why_not != str(error):
            self.log("failed", kind=kind, error=str(error))
        # A key that works goes on working while Kubernetes or Headscale is away: ready until it ends.
        if self.health.expires_at <= self.now().timestamp():
            self.health.ready = False
        self.health.why_not = str(error)
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures_in_a_row - 1, 6))
        return float(pause) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
