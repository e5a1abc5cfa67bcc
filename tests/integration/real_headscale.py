"""Real headscale processes, as the contract suites ask for them; see `tests/contract`."""

import contextlib
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import SERVED, VERSIONS, RunningHeadscale


@dataclass
class RealHeadscale(RunningHeadscale):
    """A headscale process, with people who log in and machines that join."""

    def add_oidc_user(self, name, email=""):
        """Insert a user as Headscale does when a person logs in through an identity provider."""
        self.stop()
        with contextlib.closing(sqlite3.connect(self.directory / "db.sqlite")) as database, database:
            database.execute(
                "insert into users (name, email, provider, provider_identifier, created_at, updated_at) "
                "values (?, ?, 'oidc', ?, datetime(), datetime())",
                (name, email, f"https://id/{name}"),
            )
        self.start()

    def join(self, user, number):
        """Register a node of a user by headscale's own commands."""
        if not self.speaks_grpc:
            pytest.skip("0.30 has no command that makes a node without a machine")
        key = f"{number:x}" * 24 if self.version == "0.28" else "hskey-authreq-" + f"{number:x}" * 24
        self.cli("debug", "create-node", "--name", f"node-{number}", "-u", user, "-k", key)
        if self.version == "0.28":
            self.cli("nodes", "register", "-u", user, "-k", key)
        else:
            self.cli("auth", "register", "-u", user, "--auth-id", key)

    @contextlib.contextmanager
    def successor(self):
        """Run another headscale of this version, whose database is new, as after the loss of the volume."""
        with (
            tempfile.TemporaryDirectory(prefix="headscale-") as folder,
            serving(self.version, Path(folder), self.transport) as another,
        ):
            yield another


@contextlib.contextmanager
def serving(version, directory, transport="grpc"):
    """Run a headscale process."""
    server = RealHeadscale(version, directory, transport=transport)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=VERSIONS)
def any_headscale(request, tmp_path):
    """A fresh Headscale of every version that has a gRPC API."""
    with serving(request.param, tmp_path) as server:
        yield server


@pytest.fixture(params=SERVED, ids="-".join)
def headscale(request, tmp_path):
    """A fresh Headscale of the versions in use, by each transport."""
    with serving(request.param[0], tmp_path, request.param[1]) as server:
        yield server
