"""A small HTTP server on loopback, in a thread, for the fakes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True)
class Request:
    """What somebody asks."""

    method: str
    url: SplitResult
    headers: Message
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Answers by a function; subclasses name it."""

    answer: Callable[[Request], tuple[int, str]]
    connections: list[socket.socket]

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.connections.append(self.connection)

    def handle(self):
        # A client that ends in the middle of a request is nothing that the server has to report.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = self.answer(Request(self.command, urlsplit(self.path), self.headers, body))
        out = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(answer, tls=None):
    """Answer requests until the block ends, and yield the port; open connections are then cut.

    Args:
        answer: Takes a `Request`, and returns `(status, text)`; it is called by several threads.
        tls: What TLS shows; None for plain HTTP.
    """
    handler: Any = type("Answering", (Handler,), {"answer": staticmethod(answer), "connections": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()
            for connection in handler.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
