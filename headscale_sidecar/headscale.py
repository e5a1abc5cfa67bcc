"""The sidecar's calls to Headscale: check whether a key is valid, rotate it, and ensure a policy."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
from urllib.parse import urlsplit

from headscale_sidecar.errors import SidecarError

_SECONDS = 10.0
_REJECTED = b"Unauthorized"
"""The text with which every version rejects a key; 0.26 does with status 500 where it does not know it
(https://github.com/juanfont/headscale/blob/v0.26.1/hscontrol/app.go, `httpAuthenticationMiddleware`)."""
_PROCESS_SECONDS = 60.0


class HeadscaleUnavailable(SidecarError):
    """Headscale does not answer whether a key is valid.

    Attributes:
        kind: The label of the metric and the reason of the Event; alert rules name it, so it outlives the class's name.
    """

    kind = "HeadscaleError"


class ProcessError(SidecarError):
    """A process that the sidecar started has failed.

    Attributes:
        kind: The error's name in that process.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class RotationError(ProcessError):
    """The key was not replaced."""


class DenyAllError(ProcessError):
    """It is not known whether Headscale has a policy, or the one that denies everything was not stored."""


def is_api_key_valid(url: str, key: str, server_name: str = "") -> bool:
    """Return whether Headscale takes a key, by a real call on the pod's loopback.

    Args:
        url: Headscale's address there.
        key: The key.
        server_name: The name to ask for in TLS; one with a certificate by ACME rejects a client without it.

    Raises:
        HeadscaleUnavailable: When Headscale does not answer, so that it is not known.
    """
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=_SECONDS)
    try:
        connection.connect()
        if where.scheme == "https":
            # The certificate has the public name; on loopback no third party is in between.
            trust = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
            connection.sock = trust.wrap_socket(connection.sock, server_hostname=server_name or where.hostname)
        connection.request("GET", "/api/v1/apikey", headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        status, text = response.status, response.read(len(_REJECTED) + 1)
    except (OSError, http.client.HTTPException) as error:
        raise HeadscaleUnavailable(f"Headscale does not answer at {url}: {error}") from None
    finally:
        connection.close()
    if status == http.client.OK:
        return True
    if status == http.client.UNAUTHORIZED or (status == http.client.INTERNAL_SERVER_ERROR and text == _REJECTED):
        return False
    raise HeadscaleUnavailable(f"Headscale answers with HTTP status {status} at {url}")


def run_rotation() -> str:
    """Rotate the key in a process of its own, and return the prefix of the one in force.

    Raises:
        RotationError: With the error of that process, when it fails.
    """
    return _run("rotation", "replacing the key", RotationError)


def deny_all_without_policy() -> bool:
    """Store a policy that denies everything where Headscale has none, in a process of its own.

    Returns:
        Whether it was stored.

    Raises:
        DenyAllError: With the error of that process, when it fails.
    """
    return bool(_run("deny_all", "asking whether Headscale has a policy", DenyAllError))


def _run(module: str, purpose: str, failure: type[ProcessError]) -> str:
    """Run a module of the sidecar in a process of its own, and return what it prints."""
    command = [sys.executable, "-m", f"headscale_sidecar.{module}"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PROCESS_SECONDS)
    except subprocess.TimeoutExpired:
        late = f"{purpose} took more than {_PROCESS_SECONDS:.0f} s; it is tried again"
        raise failure(failure.__name__, late) from None
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        kind, _, message = last.partition(": ")
        if not (message and kind.isidentifier()):
            ended = f"{purpose} ended with code {run.returncode}"
            kind, message = failure.__name__, ": ".join(filter(None, (ended, last)))
        raise failure(kind, message)
    return run.stdout.strip()
