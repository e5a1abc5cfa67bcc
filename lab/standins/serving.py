"""What every plug-in of Pulumi's engine does: serve gRPC on loopback, say where, and end with its engine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.max_send_message_length", 400 * 1024 * 1024)]


def serve(name: str, register: Callable[[grpc.Server], None], *, threads: int, on_stop: Callable[[], None]) -> None:
    """Serve until the engine ends us, or is gone itself.

    Args:
        name: What this stands in for, for the line on stderr.
        register: Adds the service to the server.
        threads: How many calls run at once; a wait blocks one.
        on_stop: Called first when the end comes.
    """
    print(f"stand-in for {name}: part of the lab, not the official plug-in", file=sys.stderr, flush=True)
    server = grpc.server(ThreadPoolExecutor(max_workers=threads), options=_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    print(port, flush=True)
    engine = os.getppid()
    # An engine that fails early says no good-bye.
    while not ended.wait(0.2) and os.getppid() == engine:
        pass
    on_stop()
    server.stop(grace=1)
    time.sleep(0.05)
    os._exit(0)
