"""Services of the sidecar, served by a thread for as long as a test needs them."""

import contextlib
import socket
import threading

import pytest

from headscale_sidecar.serving import EventLoop, Service, listen


@pytest.fixture
def serving():
    """Serve on a free port of loopback: takes `serve` and Service's fields, returns the service."""
    with contextlib.ExitStack() as ends:

        def start(serve, *, listener=None, log=lambda *_, **__: None, **fields):
            most = fields.pop("most", 8)
            service = Service("service", listener or listen(("127.0.0.1", 0), 256), serve, most, **fields)
            stop = threading.Event()
            loop = EventLoop([service], log)
            thread = threading.Thread(target=_turn, args=(loop, stop))
            thread.start()
            ends.callback(_end, service, stop, thread)
            return service

        yield start


def _turn(loop, stop):
    while not stop.is_set():
        loop.run_once()


def _end(service, stop, thread):
    stop.set()
    # It wakes the thread.
    socket.create_connection(service.listener.getsockname()[:2], 5).close()
    thread.join()
    service.listener.close()
    for connection in service.connections:
        connection.close()
