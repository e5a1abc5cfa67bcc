"""The relay: a port on the pod's loopback that leads to Headscale's unix socket, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading

_CHUNK = 64 * 1024


def serve(listener: socket.socket, socket_path: str) -> None:
    """Accept connections for ever; one that finds no Headscale is closed, and the next one is welcome."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_join, args=(client, socket_path), daemon=True).start()


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a listening socket."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(64)
    return listener


def _join(client: socket.socket, socket_path: str) -> None:
    with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(socket_path)
        except OSError:
            return
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then end the target's side too: gRPC closes one direction before the other."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
