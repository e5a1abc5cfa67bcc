"""The relay: a port on the pod's loopback that leads to Headscale's unix socket, byte by byte.

It asks for no key. It may be used by all that reach that port: everybody who may forward ports into the pod, and every
container of the pod.
"""

from __future__ import annotations

import socket

from headscale_sidecar.serving import READ, Task, send

_CHUNK = 32 * 1024
"""What a connection holds in memory, in each direction, at most."""


def serve(client: socket.socket, socket_path: str) -> tuple[tuple[socket.socket, ...], tuple[Task, ...]]:
    """Join a client with Headscale.

    Raises:
        OSError: When there is no Headscale.
    """
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.setblocking(False)
        server.connect(socket_path)
    except OSError:
        server.close()
        raise
    return (client, server), (_copy(client, server), _copy(server, client))


def _copy(source: socket.socket, target: socket.socket) -> Task:
    """Copy until the source ends, then end the target's side too: gRPC closes one direction before the other."""
    while True:
        yield source, READ
        chunk = source.recv(_CHUNK)
        if not chunk:
            break
        yield from send(target, chunk)
    target.shutdown(socket.SHUT_WR)
