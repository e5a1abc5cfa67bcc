"""What probes and Prometheus ask, and the answers; over a bare socket, for `http.server` costs 3 MB."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass, field

_STALE_SECONDS = 120.0


@dataclass(slots=True)
class Health:
    """What is known of the sidecar; written by its loop, read by whoever asks.

    Attributes:
        ready: Whether the Secret holds a key that works.
        why_not: The reason, where it does not.
        expires_at: When the key ends, seconds since 1970; 0 while there is none.
        rotations: Keys made.
        failures: Failed tries, by kind of error.
        beat: When the loop last turned, on the monotonic clock.
    """

    ready: bool = False
    why_not: str = "starting"
    expires_at: float = 0.0
    rotations: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    beat: float = field(default_factory=time.monotonic)

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and text for a path."""
        if path == "/readyz":
            return (200, "ok\n") if self.ready else (503, f"not ready: {self.why_not}\n")
        if path == "/healthz":
            age = time.monotonic() - self.beat
            return (200, "ok\n") if age < _STALE_SECONDS else (503, f"the loop has not turned for {age:.0f} s\n")
        if path == "/metrics":
            return 200, self._metrics()
        return 404, "known here: /healthz, /readyz, /metrics\n"

    def _metrics(self) -> str:
        lines = [
            "# TYPE headscale_sidecar_ready gauge",
            f"headscale_sidecar_ready {int(self.ready)}",
            "# TYPE headscale_sidecar_api_key_expiry_timestamp_seconds gauge",
            f"headscale_sidecar_api_key_expiry_timestamp_seconds {self.expires_at:.0f}",
            "# TYPE headscale_sidecar_rotations_total counter",
            f"headscale_sidecar_rotations_total {self.rotations}",
            "# TYPE headscale_sidecar_failures_total counter",
            *(f'headscale_sidecar_failures_total{{reason="{kind}"}} {n}' for kind, n in sorted(self.failures.items())),
            "# TYPE process_resident_memory_bytes gauge",
            f"process_resident_memory_bytes {resident_bytes()}",
        ]
        return "\n".join(lines) + "\n"


def serve(listener: socket.socket, health: Health) -> None:
    """Answer for ever, one after the other."""
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError, IndexError, UnicodeDecodeError):
            client.settimeout(2)
            path = client.recv(2048).decode("ascii").split()[1].partition("?")[0]
            status, text = health.answer(path)
            head = (
                f"HTTP/1.1 {status} -",
                "Content-Type: text/plain",
                f"Content-Length: {len(text)}",
                "Connection: close",
            )
            client.sendall("\r\n".join((*head, "", text)).encode())


def resident_bytes() -> int:
    """Return how much memory the process holds."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not loaded otherwise
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
