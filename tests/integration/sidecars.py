"""The sidecar as a process, between a real Headscale and an API server that injects faults."""

import base64
import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.conftest import free_port

REPOSITORY = Path(__file__).parents[2]
ORDINARY = {"EXPIRATION": "1h", "ROTATION_BUFFER": "10m", "OVERLAP": "0s"}


class ApiServer(http.server.ThreadingHTTPServer):
    """Keeps the Secrets and the claim's annotations, and records Events."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.secrets, self.claim, self.events, self.requests = {}, {}, [], 0
        self.before = self.after = lambda: None
        self.answer_with = None
        self.refused = {}

    @property
    def secret(self):
        return self.secrets.get("key")

    @secret.setter
    def secret(self, secret):
        """Replace or delete the Secret, as an administrator does."""
        self.secrets = {"key": secret} if secret else {}

    def key(self):
        """Return the key in the Secret, empty when there is none."""
        return base64.b64decode(self.secret["data"].get("api-key", "")).decode() if self.secret else ""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Any

    def _handle(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.requests += 1
        self.server.before()
        status, answer = self.server.answer_with or self._refused(body) or self._answer(body)
        self.server.after()
        data = json.dumps(answer).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_PATCH = do_POST = _handle  # noqa: N815 - the library asks for these names

    def _refused(self, body):
        """Return the error that a test set for this verb and kind, or its function returns for this body; else None."""
        for (verb, kind), (status, message) in self.server.refused.items():
            if verb == self.command and kind in self.path:
                text = message(body) if callable(message) else message
                return (status, {"message": text}) if text else None
        return None

    def _answer(self, body):
        if "statefulsets" in self.path:
            return 200, {"metadata": {"uid": "u"}}
        if "events" in self.path:
            self.server.events.append(body)
            return 201, body
        name = self.path.partition("?")[0].rpartition("/")[2]
        if "persistentvolumeclaims" in self.path:
            if self.command == "PATCH":
                self.server.claim |= body["metadata"]["annotations"]
            return 200, {"metadata": {"annotations": self.server.claim}}
        if self.command == "PATCH":
            self.server.secrets[name] = body
        return (200, self.server.secrets[name]) if name in self.server.secrets else (404, {"message": "not found"})

    def log_message(self, *_):
        pass


class Sidecar:
    def __init__(self, headscale, api_server, account, **settings):
        self.health_port = free_port()
        self.environment = {
            **os.environ,
            "POD_NAMESPACE": "ns",
            "INSTANCE": "vpn",
            "SECRET_NAME": "key",
            "SOCKET_PATH": headscale.socket_path,
            "HEADSCALE_URL": headscale.url,
            "RELAY_LISTEN": f"127.0.0.1:{free_port()}",
            "HEALTH_LISTEN": f"127.0.0.1:{self.health_port}",
            "SERVICE_ACCOUNT": str(account),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api_server.server_address[1]),
            **ORDINARY,
            **settings,
        }
        self.log = headscale.directory / "sidecar.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headscale_sidecar"],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )

    def kill(self):
        """Kill the process and its children with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def says(self, path):
        """Return the text of a successful answer, else an empty one."""
        status, text = self.answer(path)
        return text if status == 200 else ""

    def answer(self, path):
        """Return status and text; status 0 without an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""


def eventually(what, truth, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := truth()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def prefixes(headscale):
    with headscale.client() as client:
        return [key.prefix for key in client.list_api_keys()]
