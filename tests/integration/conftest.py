"""Real headscale processes on loopback, one for each version that the client speaks to."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from headscale_core import HeadscaleClient, HeadscaleError, Unauthenticated, api_key_prefix

NEXT = "HEADSCALE_NEXT"
"""Path of an unreleased Headscale, for example a build of its main branch; the suites then run on it too."""

VERSIONS = ("0.26", "0.27", "0.28", "0.29")
REPOSITORY = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


def binary(version):
    """Return headscale's binary, built by the lab unless it is cached."""
    if version == "next":
        return os.environ[NEXT]
    command = [sys.executable, "-m", "lab", "tool", f"headscale-{version}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.strip()


_PORTS = random.sample(range(20_000, 30_000), 10_000)
"""Below those that the system gives to outgoing connections, which would be taken by the time a server wants them."""


def free_port(kind=socket.SOCK_STREAM):
    """Return a free port, and never the same one twice."""
    while True:
        port = _PORTS.pop()
        with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Discreet(HeadscaleClient):
    """A client that does not list the API key that it uses itself."""

    own = ""

    def list_api_keys(self):
        return [key for key in super().list_api_keys() if key.prefix != self.own]


@dataclass
class RunningHeadscale:
    version: str
    directory: Path
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None
    settings: dict = field(default_factory=dict)
    whole: dict | None = None
    transport: str = "grpc"
    _key: str | None = None

    @property
    def socket_path(self):
        return self.whole["unix_socket"] if self.whole else str(self.directory / "h.sock")

    @property
    def grpc_address(self):
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def speaks_grpc(self):
        return self.version in VERSIONS

    def client(self, **options):
        """Return a client: on the socket, or by REST with a key of its own, which it does not list."""
        if self.transport == "grpc" or not self.speaks_grpc:
            return HeadscaleClient.over_unix_socket(self.socket_path, **options)
        if self._key is None:
            with HeadscaleClient.over_unix_socket(self.socket_path) as local:
                self._key = local.create_api_key(datetime.now(UTC) + timedelta(hours=1))
        client = Discreet.over_http(self.url, api_key=self._key, **options)
        client.own = api_key_prefix(self._key)
        return client

    def remote(self, key, **options):
        """Return a client that authenticates with a key, by the transport of this server."""
        if self.transport == "rest":
            return HeadscaleClient.over_http(self.url, api_key=key, **options)
        return HeadscaleClient.over_tcp(self.grpc_address, api_key=key, **options)

    def opens(self, key):
        """Return whether a key authenticates."""
        with self.remote(key) as remote:
            try:
                remote.list_users()
            except Unauthenticated:
                return False
        return True

    def cli(self, *arguments):
        """Run headscale's own command line, as an administrator does without Pulumi."""
        command = [binary(self.version), "--config", str(self.directory / "config.yaml"), *arguments, "-o", "json"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return json.loads(out) if out.strip() else None

    def start(self):
        config = self.whole or {
            "server_url": f"http://127.0.0.1:{self.http_port}",
            "listen_addr": f"127.0.0.1:{self.http_port}",
            "metrics_listen_addr": f"127.0.0.1:{free_port()}",
            "grpc_listen_addr": self.grpc_address,
            "grpc_allow_insecure": True,
            "noise": {"private_key_path": str(self.directory / "noise.key")},
            "prefixes": {"v4": "100.64.0.0/10"},
            "derp": {
                "urls": [],
                "server": {
                    "enabled": True,
                    "region_id": 999,
                    "stun_listen_addr": f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
                    "private_key_path": str(self.directory / "derp.key"),
                },
            },
            "disable_check_updates": True,
            "database": {"type": "sqlite", "sqlite": {"path": str(self.directory / "db.sqlite")}},
            "dns": {"magic_dns": False, "override_local_dns": False},
            "policy": {"mode": "database"},
            "unix_socket": self.socket_path,
            "unix_socket_permission": "0770",
            **self.settings,
        }
        path = self.directory / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary(self.version), "serve", "--config", str(path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self.directory)},
            )
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                with HeadscaleClient.over_unix_socket(self.socket_path, timeout_seconds=1) as client:
                    client.list_users()
            except HeadscaleError:
                log = (self.directory / "log").read_text()[-2000:]
                assert self.process.poll() is None, f"headscale {self.version} exited:\n{log}"
                assert time.monotonic() < deadline, f"headscale {self.version} does not answer:\n{log}"
                time.sleep(0.05)
            else:
                return

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@contextlib.contextmanager
def running(version, directory, transport="grpc", **settings):
    server = RunningHeadscale(version, directory, settings=settings, transport=transport)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=VERSIONS)
def any_headscale(request, tmp_path):
    """A fresh Headscale of every version that has a gRPC API."""
    with running(request.param, tmp_path) as server:
        yield server


SERVED = [(version, transport) for version in ("0.28", "0.29") for transport in ("grpc", "rest")]
SERVED += [("next", "rest")] if NEXT in os.environ else []


@pytest.fixture(params=SERVED, ids="-".join)
def headscale(request, tmp_path):
    """A fresh Headscale of the versions in use, by each transport."""
    version, transport = request.param
    with running(version, tmp_path, transport) as server:
        yield server
