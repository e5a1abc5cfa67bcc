"""The demo node that `make join` adds to the tailnet; `make down` stops its process."""

from __future__ import annotations

from pathlib import Path

from lab import processes
from lab.state import STATE
from lab.tailnode import TailNode

NAME = "demo-node"
_FOLDER = STATE / NAME


def node() -> TailNode:
    """Return the node, whether it runs or not."""
    return TailNode(_FOLDER)


def socket() -> Path:
    """Return the path for `tailscale --socket`."""
    return node().socket


def join(login_server: str, auth_key: str) -> None:
    """Start the node unless it runs, and join it."""
    _FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    demo = node()
    processes.start(NAME, demo.daemon_command(), _environment(login_server))
    demo.wait()
    demo.up(login_server, auth_key, hostname=NAME)


def stop() -> None:
    """Stop the node's process; the node stays in the tailnet."""
    processes.stop(NAME)


def _environment(login_server: str) -> dict[str, str]:
    """Return what the daemon needs to reach the relay that is built into Headscale, which speaks as `server_url` does.

    Source: https://github.com/tailscale/tailscale/blob/v1.94.1/derp/derphttp/derphttp_client.go (debugUseDERPHTTP)
    """
    return {"TS_DEBUG_USE_DERP_HTTP": "true"} if login_server.startswith("http://") else {}
