"""The gRPC server of the language host: it prints its port on stdout, and ends with its engine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from pulumi.runtime.proto import language_pb2_grpc

from lab.language_host.service import LanguageHost

_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024), ("grpc.max_send_message_length", 400 * 1024 * 1024)]
"""The engine's own message limits: a stack's configuration and a plugin's schema may be large."""

_CALLS_AT_ONCE = 32
"""Each plugin that runs from a folder holds one call for as long as it runs."""


def main(executor: str) -> None:
    """Serve until the engine stops this process or ends itself; the last argument is the engine's address.

    Args:
        executor: Path of `pulumi-language-python-exec`.
    """
    # Before the port is printed: an engine may end as soon as it has read it.
    engine = os.getppid()
    host = LanguageHost(Path(executor), sys.argv[-1] if len(sys.argv) > 1 else "")
    server = grpc.server(ThreadPoolExecutor(max_workers=_CALLS_AT_ONCE), options=_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    print(port, flush=True)
    # An engine that fails early ends without a last call.
    while not ended.wait(0.2) and os.getppid() == engine:
        pass
    host.stop()
    server.stop(grace=1).wait(1)
    os._exit(0)
