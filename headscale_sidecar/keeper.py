"""The sidecar's one loop: look at the Secret, replace the key where it must be, say when to look again."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from headscale_core.keys.api_key import DATA_KEY, DesiredApiKey, IssuedApiKey, is_due, issued_in, needs_cleanup
from headscale_core.keys.secrets import SecretStore, StoredSecret
from headscale_core.values.durations import parse_duration
from headscale_sidecar.health import Health

_LOOK_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_REASON = 1000
_KEY = re.compile(r"(hskey-|aHNrZXkt)[A-Za-z0-9+/=_-]+")
"""A key of Headscale, and its beginning in base64."""

Log = Callable[..., None]


@dataclass(slots=True)
class ApiKeyController:
    """Keeps a working key in the Secret.

    Attributes:
        works: Asks Headscale whether it takes a key.
        replace: Makes a new key, or finishes a run that was killed, or revokes what was replaced; may be done again. It
            returns the prefix of the key in force.
        store: The Secret.
        wanted: Its name, the keys' lifetime, and when they are replaced.
        health: Where it tells how it is.
        now: The clock.
        log: Takes an event and its fields.
        report: Tells people of a failure, by its kind and what it says.
        failures_in_a_row: Since the last success.
        told: The failure that was told last, so that each is told once.
    """

    works: Callable[[str], bool]
    replace: Callable[[], str]
    store: SecretStore
    desired: DesiredApiKey
    health: Health
    now: Callable[[], datetime]
    log: Log
    report: Callable[[str, str], None]
    failures_in_a_row: int = 0
    told: str = ""

    def reconcile_once(self) -> float:
        """Do what is to be done and return the seconds until the next look.

        A failure changes nothing but the pause, which doubles up to a minute: nothing spins, and nothing is made anew
        before the last attempt is cleaned up.
        """
        self.health.last_loop_at = time.monotonic()
        try:
            issued = self._reconcile()
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on, and says what it was
            return self._failed(error)
        self.failures_in_a_row, self.told = 0, ""
        if not self.health.ready:
            self.log("ready", expires_at=issued.expires_at.isoformat())
        self.health.ready, self.health.why_not = True, ""
        self.health.expires_at = issued.expires_at.timestamp()
        times = [issued.expires_at - parse_duration(self.desired.rotation_buffer), issued.revoke_at]
        due_in = min((time - self.now()).total_seconds() for time in times if time is not None)
        return max(0.2, min(due_in + 0.05, _LOOK_SECONDS * random.uniform(0.8, 1.2)))  # noqa: S311 - spreads load

    def _reconcile(self) -> IssuedApiKey:
        stored, issued = self._read_secret()
        reason, is_lost = self._reason_to_act(stored, issued)
        if not reason and issued is not None:
            return issued
        if is_lost:
            self.health.why_not, self.health.ready = reason, False
        prefix = self.replace()
        made = issued is None or prefix != issued.prefix
        if made:
            self.health.rotations += 1
            self.log("made an API key", reason=reason, prefix=prefix)
        else:
            self.log("cleaned up", reason=reason)
        stored, issued = self._read_secret()
        if stored is None or issued is None:
            raise RuntimeError("the Secret changed while it was written")
        if made and not self.works(stored.data[DATA_KEY]):
            # To make one after the other would help nobody: it is a failure, and has its pauses.
            raise RuntimeError("Headscale does not take the key that it just made")
        return issued

    def _read_secret(self) -> tuple[StoredSecret | None, IssuedApiKey | None]:
        stored = self.store.read(self.desired.namespace, self.desired.secret_name)
        return stored, issued_in(stored) if stored else None

    def _reason_to_act(self, stored: StoredSecret | None, issued: IssuedApiKey | None) -> tuple[str, bool]:
        """Return why something has to be done, nothing where it need not; and whether the Secret's key is no good."""
        if stored is None or not stored.data:
            return "there is no Secret", True
        if issued is None:
            return "the Secret is not as it was written", True
        if needs_cleanup(stored, self.now()):
            return "a replaced key is to be revoked, or an earlier run was interrupted", False
        if is_due(issued.expires_at, self.desired.rotation_buffer, self.now()):
            return "rotation is due", False
        works = self.works(stored.data[DATA_KEY])
        return "" if works else "Headscale does not know the key", not works

    def _failed(self, error: Exception) -> float:
        kind = str(getattr(error, "kind", type(error).__name__))
        reason = in_words(error)
        self.failures_in_a_row += 1
        # Another dictionary each time: the thread that answers reads the old one meanwhile.
        self.health.failures = {**self.health.failures, kind: self.health.failures.get(kind, 0) + 1}
        if self.told != reason:
            self.told = reason
            self.log("failed", kind=kind, error=reason)
            with contextlib.suppress(Exception):
                # Kubernetes may be what fails; the log and the metric have told it anyway.
                self.report(kind, reason)
        self.health.why_not = reason
        # A key that worked goes on working while Kubernetes or Headscale is away: ready until it ends.
        if self.health.expires_at <= self.now().timestamp():
            self.health.ready = False
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures_in_a_row - 1, 6))
        return float(pause) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load


def in_words(error: Exception) -> str:
    """Return what an error says, in one line of at most 1000 characters, without any key.

    An admission webhook may repeat the Secret that it refuses, in clear or in base64.
    """
    line = " ".join(str(error).split()) or type(error).__name__
    return _KEY.sub("(key)", line)[:_LONGEST_REASON]
