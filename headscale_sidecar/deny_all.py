"""Store a policy that denies everything where Headscale has none: `python -m headscale_sidecar.deny_all`.

It is a process of its own for the memory that gRPC takes, as `rotation` is. It waits for Headscale with everything
loaded, so that a new database is open for milliseconds only.
"""

import os
import socket
import sys
import time

from headscale_core.client.client import HeadscaleClient
from headscale_core.policy.deny_all import store_if_missing
from headscale_sidecar.settings import settings_from

_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.01


def main() -> int:
    """Print `stored` when the policy was stored; on stderr, what went wrong."""
    settings = settings_from(os.environ)
    _wait_for(settings.socket_path)
    try:
        with HeadscaleClient.over_unix_socket(settings.socket_path) as client:
            is_stored = store_if_missing(client)
    except Exception as error:  # noqa: BLE001 - reported to the sidecar in one line, as by `rotation`
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write("stored" if is_stored else "")
    return 0


def _wait_for(socket_path: str) -> None:
    """Wait until a process listens on a unix socket, or for ten seconds; the call that follows reports the error."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(socket_path) == 0:
                return
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
