"""Rotate the key, in a process of its own: `python -m headscale_sidecar.rotation`.

gRPC and protobuf take 22 MB. They are needed for a second every few months, so they come and go with this process, and
the sidecar itself stays small. The new key goes from Headscale into the Secret within this process; what it prints
holds none.
"""

import contextlib
import os
import sys
from datetime import UTC, datetime

from headscale_core.client.client import HeadscaleClient
from headscale_core.keys.api_key import SecretModified, current, finalize, rotate
from headscale_core.keys.api_key_secret import is_due
from headscale_sidecar.kubernetes import ManagedSecret, api_server
from headscale_sidecar.settings import settings_from


def main() -> int:
    """Print the prefix of the current key; on stderr, the error."""
    settings = settings_from(os.environ)
    desired, now = settings.desired, datetime.now(UTC)
    store = ManagedSecret(api_server(os.environ), settings.instance)
    try:
        with HeadscaleClient.over_unix_socket(settings.socket_path) as client:
            with contextlib.suppress(SecretModified):
                finalize(client, store, desired, now)
            stored = store.read(desired.namespace, desired.secret_name)
            issued = current(client, stored) if stored else None
            if issued is None or is_due(issued.expires_at, desired.rotation_buffer, now):
                issued = rotate(client, store, desired, now)
    except Exception as error:  # noqa: BLE001 - reported to the sidecar in one line, without a traceback, which shows values
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(issued.prefix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
