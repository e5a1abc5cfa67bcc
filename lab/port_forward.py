"""A port of this machine that is forwarded to a Service, by a process that `make down` stops.

A Service's own address is not reachable from outside of most clusters (kind, k3d, minikube, clouds).
"""

from __future__ import annotations

import contextlib
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from lab import kubeconfig, processes, tools
from lab.progress import LabError, wait_for

NAME = "port-forward"
_SECONDS = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_needed(server_url: str) -> bool:
    """Return whether an address is on this machine's loopback, where only a forwarded port reaches a pod."""
    return urlsplit(server_url).hostname in _LOOPBACK


def command(namespace: str, service: str, server_url: str) -> list[str]:
    """Return the command that forwards the port of an address to the first port of a Service."""
    port = urlsplit(server_url).port or 80
    target = [f"service/{service}", f"{port}:http", "--namespace", namespace, "--address", "127.0.0.1"]
    return [str(tools.path("kubectl")), "port-forward", *target]


def start(namespace: str, service: str, server_url: str) -> None:
    """Forward the port of an address to Headscale's Service and wait until Headscale answers through it.

    Args:
        namespace: The Service's namespace.
        service: Its name.
        server_url: An address on loopback.

    Raises:
        LabError: When the port is in use by another program, or Headscale does not answer.
    """
    if processes.running(NAME) and _answers(server_url):
        return
    processes.stop(NAME)
    port = urlsplit(server_url).port or 80
    if _is_taken(port):
        raise LabError(
            f"port {port} of this machine is in use, and `server_url` is {server_url}",
            f"end what listens there (`ss -ltnp sport = :{port}`), or write another port into the stack file and run "
            "`make up`",
        )
    processes.start(NAME, command(namespace, service, server_url), kubeconfig.environment())
    wait_for(
        f"Headscale at {server_url}, through `kubectl port-forward`",
        lambda: _answers(server_url) or _ended(),
        seconds=_SECONDS,
        on_failure=lambda: processes.log_tail(NAME),
    )
    if _ended():
        raise LabError("`kubectl port-forward` ended at once", processes.log_tail(NAME))


def stop() -> None:
    """Stop it if it runs."""
    processes.stop(NAME)


def _ended() -> bool:
    return not processes.running(NAME)


def _answers(server_url: str) -> bool:
    """Return whether Headscale's health endpoint answers 200."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError, urllib.error.URLError), direct.open(f"{server_url}/health", timeout=2) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - OK
    return False


def _is_taken(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
