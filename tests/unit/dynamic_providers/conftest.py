"""A small API server on loopback: it keeps objects, checks resourceVersions, and refuses where a test says so."""

import asyncio
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest

from dynamic_providers.kubernetes import cluster


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch):
    """A provider that is configured shortens the tracebacks of its whole process."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """Close the connections that a test has opened; kr8s forgets those of a log-in that was refused."""
    opened, make = [], httpx.AsyncClient.__init__
    loops, new_loop = [], asyncio.new_event_loop
    monkeypatch.setattr(cluster.asyncio, "new_event_loop", lambda: loops.append(new_loop()) or loops[-1])

    def made(client, *given, **named):
        make(client, *given, **named)
        opened.append((client, asyncio.get_running_loop()))

    monkeypatch.setattr(httpx.AsyncClient, "__init__", made)
    yield
    for client, loop in opened:
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(5)
    for loop in loops:
        loop.call_soon_threadsafe(loop.stop)
        while loop.is_running():
            time.sleep(0.001)
        loop.close()


class ApiServer:
    """Objects by path; `refuse` answers a request by method and path before they are looked at."""

    def __init__(self):
        self.objects, self.asked, self.refuse = {}, [], lambda method, path: None
        self.lock = threading.Lock()
        self.version = 0

    def answer(self, method, path, body):
        with self.lock:
            self.asked.append((method, path))
            if refused := self.refuse(method, path):
                return refused[0], {"kind": "Status", "message": refused[1]}
            if path == "/version":
                return 200, {"gitVersion": "v1.34.0"}
            if path not in self.objects:
                return 404, {"kind": "Status", "message": "not found"}
            return {"GET": self.get, "PATCH": self.patch, "DELETE": self.delete}[method](path, body)

    def get(self, path, _body):
        return 200, self.objects[path]

    def delete(self, path, body):
        version = self.objects[path]["metadata"]["resourceVersion"]
        if body and body["preconditions"]["resourceVersion"] != version:
            return 409, {"message": "conflict"}
        del self.objects[path]
        return 200, {}

    def patch(self, path, body):
        metadata, changes = self.objects[path]["metadata"], body["metadata"]
        if changes.get("resourceVersion", metadata["resourceVersion"]) != metadata["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        notes = {**metadata.get("annotations", {}), **changes["annotations"]}
        notes = {key: text for key, text in notes.items() if text is not None}
        if sum(len(key) + len(text) for key, text in notes.items()) > 256 * 1024:
            return 422, {"message": "metadata.annotations: Too long: may not be more than 262144 bytes"}
        self.put(path, notes, metadata.get("labels"))
        return 200, self.objects[path]

    def put(self, path, annotations=None, labels=None):
        self.version += 1
        metadata = {"resourceVersion": str(self.version), "annotations": annotations or {}, "labels": labels or {}}
        self.objects[path] = {"metadata": metadata}

    def count(self, method, path):
        return self.asked.count((method, path))


@pytest.fixture
def api():
    """A running API server."""
    server = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = server.answer(
                self.command, urlsplit(self.path).path.rstrip("/"), json.loads(text) if text else None
            )
            out = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        do_GET = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        server.kubeconfig = kubeconfig(http.server_port)
        yield server
        http.shutdown()
        thread.join()


def kubeconfig(port, user=None):
    """Return the text of a kubeconfig that leads to a port on loopback."""
    return json.dumps(
        {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": user or {"token": "t"}}],
        }
    )
