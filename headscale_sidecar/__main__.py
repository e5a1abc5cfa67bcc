"""Run the sidecar: `python -m headscale_sidecar`, configured by its environment (see `settings`)."""

import contextlib
import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from types import FrameType

from headscale_sidecar import headscale, health, relay
from headscale_sidecar.controller import ApiKeyController
from headscale_sidecar.kubernetes import ManagedSecret, api_server
from headscale_sidecar.serving import EventLoop, Service, listen
from headscale_sidecar.settings import Settings, SettingsError, settings_from

_MOST_RELAYED = 64
"""Connections; a provider process opens one."""
_MOST_PROBES = 256
_PROBE_SECONDS = 5.0


def main() -> int:
    """Serve until SIGTERM; 1 when a port cannot be had, 2 when the settings are wrong."""
    try:
        settings = settings_from(os.environ)
    except SettingsError as error:
        _log("the settings are wrong", error=str(error))
        return 2
    try:
        services = _services(settings, state := health.Health())
    except OSError as error:
        _log("a port cannot be had", error=str(error))
        return 1
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    # One thread for all: where it ends or hangs, probes get no answer either, and kubelet restarts the container.
    threading.Thread(target=EventLoop(services, _log).run, daemon=True).start()
    _reconcile(settings, state, stop)
    _log("ended")
    return 0


def _services(settings: Settings, state: health.Health) -> tuple[Service, ...]:
    to_headscale = partial(relay.serve, socket_path=settings.socket_path)
    admin = Service("relay", listen(settings.relay_listen, _MOST_RELAYED), to_headscale, _MOST_RELAYED)
    state.checks = (admin.failure_reason,)
    answer = partial(health.serve, health=state)
    probes = Service(
        "health endpoint", listen(settings.health_listen, _MOST_PROBES), answer, _MOST_PROBES, _PROBE_SECONDS
    )
    return admin, probes


def _reconcile(settings: Settings, state: health.Health, stop: threading.Event) -> None:
    secret, namespace = ManagedSecret(api_server(os.environ), settings.instance), settings.desired.namespace
    controller = ApiKeyController(
        deny_all=headscale.deny_all_without_policy if settings.denies_without_policy else lambda: False,
        is_valid=lambda key: headscale.is_api_key_valid(settings.url, key, settings.server_name),
        rotate=headscale.run_rotation,
        store=secret,
        desired=settings.desired,
        health=state,
        now=lambda: datetime.now(UTC),
        log=_log,
        report=lambda kind, message: secret.report(namespace, kind, message),
    )
    while not stop.wait(controller.reconcile_once()):
        pass


def _log(event: str, **fields: str) -> None:
    """Write one line of JSON; no field ever holds a key."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    with contextlib.suppress(OSError):
        # A full disk under the log is no reason to end.
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
