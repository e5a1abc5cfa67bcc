"""What the sidecar asks of Headscale: whether a key works, by using it, and to have it replaced."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
from urllib.parse import urlsplit

from headscale_sidecar.errors import SidecarError

_SECONDS = 10.0
_REPLACED_WITHIN_SECONDS = 60.0


class HeadscaleUnavailable(SidecarError):
    """Headscale does not answer whether a key is valid.

    Attributes:
        kind: The label of the metric and the reason of the Event; alert rules name it, so it outlives the class's name.
    """

    kind = "HeadscaleError"


class RotationError(SidecarError):
    """The key was not replaced.

    Attributes:
        kind: The error's name in the process that was to replace it.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def works(url: str, key: str, server_name: str = "") -> bool:
    """Return whether Headscale takes a key, by a real call on the pod's loopback.

    Args:
        url: Headscale's address there.
        key: The key.
        server_name: The name to ask for in TLS; one with a certificate by ACME serves nobody who asks for none.

    Raises:
        HeadscaleUnavailable: When Headscale does not answer, so that nobody knows.
    """
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=_SECONDS)
    try:
        connection.connect()
        if where.scheme == "https":
            # The certificate bears the public name; on loopback there is nobody in between.
            trust = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
            connection.sock = trust.wrap_socket(connection.sock, server_hostname=server_name or where.hostname)
        connection.request("GET", "/api/v1/apikey", headers={"Authorization": f"Bearer {key}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise HeadscaleUnavailable(f"Headscale does not answer at {url}: {error}") from None
    finally:
        connection.close()
    if status in {200, 401}:
        return status == 200  # noqa: PLR2004 - HTTP
    raise HeadscaleUnavailable(f"Headscale answers with HTTP status {status} at {url}")


def replace() -> str:
    """Replace the key in a process of its own, and return the prefix of the one in force.

    Raises:
        RotationError: With what that process says, when it fails.
    """
    command = [sys.executable, "-m", "headscale_sidecar.rotation"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_REPLACED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        late = f"the key was not replaced within {_REPLACED_WITHIN_SECONDS:.0f} s; it is tried again"
        raise RotationError("RotationError", late) from None
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        kind, _, message = last.partition(": ")
        if not (message and kind.isidentifier()):
            ended = f"replacing the key ended with code {run.returncode}"
            kind, message = "RotationError", ": ".join(filter(None, (ended, last)))
        raise RotationError(kind, message)
    return run.stdout.strip()
