"""Run the sidecar: `python -m headscale_sidecar`, told by its environment (see `settings`)."""

import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from types import FrameType

from headscale_sidecar import headscale, health, relay
from headscale_sidecar.keeper import Keeper
from headscale_sidecar.kubernetes import ManagedSecret, api_server
from headscale_sidecar.settings import Settings, SettingsError, settings_from


def main() -> int:
    """Serve until SIGTERM; 2 when the settings are wrong."""
    try:
        settings = settings_from(os.environ)
    except SettingsError as error:
        _log("the settings are wrong", error=str(error))
        return 2
    threading.stack_size(256 * 1024)
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    _run(settings, stop)
    _log("ended")
    return 0


def _run(settings: Settings, stop: threading.Event) -> None:
    state = health.Health()
    for serve, address, what in (
        (relay.serve, settings.relay_listen, settings.socket_path),
        (health.serve, settings.health_listen, state),
    ):
        listener = relay.listen(address)
        threading.Thread(target=serve, args=(listener, what), daemon=True).start()
    secret, namespace = ManagedSecret(api_server(os.environ), settings.instance), settings.wanted.namespace
    keeper = Keeper(
        works=lambda key: headscale.works(settings.url, key, settings.server_name),
        replace=headscale.replace,
        store=secret,
        wanted=settings.wanted,
        health=state,
        now=lambda: datetime.now(UTC),
        log=_log,
        report=lambda kind, message: secret.report(namespace, kind, message),
    )
    while not stop.wait(keeper.turn()):
        pass


def _log(event: str, **fields: str) -> None:
    """Write one line of JSON; no field ever holds a key."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
