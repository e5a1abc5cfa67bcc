"""The fixtures of the contract suites, on the fakes; a test module that imports a suite imports these too."""

import pytest

from tests.fakes.headscale import FakeHeadscale

VERSIONS = ("0.26", "0.27", "0.28", "0.29")
SERVED = [(version, transport) for version in ("0.28", "0.29") for transport in ("grpc", "rest")]


@pytest.fixture(params=VERSIONS)
def any_headscale(request):
    """A fresh Headscale of every version that has a gRPC API."""
    with FakeHeadscale(request.param) as server:
        yield server


@pytest.fixture(params=SERVED, ids="-".join)
def headscale(request):
    """A fresh Headscale of the versions that people run, by each transport."""
    with FakeHeadscale(*request.param) as server:
        yield server
