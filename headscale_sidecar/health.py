"""What probes and Prometheus ask, and the answers.

| path | 200 | 503 |
| --- | --- | --- |
| `/readyz` | the Secret holds a key that works | `not ready: <reason>`, in words for people, without any key |
| `/healthz` | all parts of the sidecar work | which of them does not; kubelet then restarts the container |
| `/metrics` | always, in Prometheus' text format | |
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from headscale_sidecar.serving import READ, Task, send

_STALE_SECONDS = 300.0
"""More than the longest turn of the loop (a dozen calls of 10 s, a minute to replace the key) and its pause take."""

_LONGEST_REQUEST = 8 * 1024
_END = b"\r\n\r\n"


@dataclass(slots=True)
class Health:
    """The state of the sidecar; written by the API key controller, read by the health endpoint.

    Attributes:
        ready: Whether the Secret holds a valid key.
        not_ready_reason: Why it does not, without any key; empty where it does.
        expires_at: When the key expires, seconds since 1970; 0 while there is none.
        rotations: Keys created since the sidecar started.
        failures: Failed reconciles since the sidecar started, by kind of error.
        last_loop_at: When the last reconcile began, on the monotonic clock.
        checks: Each returns why a part of the sidecar has failed for good; empty where it works.
    """

    ready: bool = False
    not_ready_reason: str = "starting"
    expires_at: float = 0.0
    rotations: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    last_loop_at: float = field(default_factory=time.monotonic)
    checks: Sequence[Callable[[], str]] = ()

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and text for a path."""
        if path == "/readyz":
            return (200, "ok\n") if self.ready else (503, f"not ready: {self.not_ready_reason}\n")
        if path == "/healthz":
            reason = self._failure_reason()
            return (503, f"{reason}\n") if reason else (200, "ok\n")
        if path == "/metrics":
            return 200, self._metrics()
        return 404, "known here: /healthz, /readyz, /metrics\n"

    def _failure_reason(self) -> str:
        age = time.monotonic() - self.last_loop_at
        stale = f"the loop has not turned for {age:.0f} s" if age > _STALE_SECONDS else ""
        return next(filter(None, (stale, *(check() for check in self.checks))), "")

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


def serve(client: socket.socket, health: Health) -> tuple[tuple[socket.socket, ...], tuple[Task, ...]]:
    """Answer a client."""
    return (client,), (_exchange(client, health),)


def _exchange(client: socket.socket, health: Health) -> Task:
    """Read one request, answer it, and wait for the client to close."""
    request = b""
    while _END not in request and len(request) < _LONGEST_REQUEST:
        yield client, READ
        chunk = client.recv(_LONGEST_REQUEST - len(request))
        if not chunk:
            return
        request += chunk
    yield from send(client, response(request, health))
    client.shutdown(socket.SHUT_WR)
    # Who closes with bytes unread resets the connection, and the client may lose the answer.
    while True:
        yield client, READ
        if not client.recv(_LONGEST_REQUEST):
            return


def response(request: bytes, health: Health) -> bytes:
    """Return the bytes that answer a request."""
    method, _, rest = request.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    target, _, version = rest.partition(" ")
    if _END not in request or not version.startswith("HTTP/1."):
        status, text = 400, "this is no request in HTTP/1.1\n"
    elif method != "GET":
        status, text = 405, "only GET is known here\n"
    else:
        status, text = health.answer(target.partition("?")[0])
    # A message may hold what UTF-8 has no bytes for, a part of a file's name for example.
    body = text.encode(errors="backslashreplace")
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def resident_bytes() -> int:
    """Return how much memory the process holds."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not loaded otherwise
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
