"""What tests of the providers share: an API server, and an end to what kr8s leaves open."""

import asyncio
import sys
from datetime import UTC, datetime

import httpx
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.admin import channel, retry
from dynamic_providers.kubernetes.event_loop import EventLoopThread
from headscale_core import HeadscaleClient
from tests.fakes.kubernetes import FakeKubernetes


@pytest.fixture(autouse=True)
def _tracebacks(monkeypatch):
    """A provider that is configured shortens the tracebacks of its whole process."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    """Retries do not wait here."""
    for module in (channel, retry):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """Close the connections that a test has opened; kr8s forgets those of a log-in that was refused."""
    opened, make_client = [], httpx.AsyncClient.__init__
    loops, make_loop = [], EventLoopThread.__init__

    def client_init(client, *given, **named):
        make_client(client, *given, **named)
        opened.append((client, asyncio.get_running_loop()))

    def loop_init(loop, *given, **named):
        make_loop(loop, *given, **named)
        loops.append(loop)

    monkeypatch.setattr(httpx.AsyncClient, "__init__", client_init)
    monkeypatch.setattr(EventLoopThread, "__init__", loop_init)
    yield
    for client, loop in opened:
        if not loop.is_closed():
            asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(5)
    for loop in loops:
        loop.close()


@pytest.fixture
def api():
    """A running API server."""
    with FakeKubernetes().serving() as server:
        yield server


@pytest.fixture
def direct(api):
    """Return the configuration of a provider that reaches a fake Headscale over gRPC, with a key of its own."""

    def configuration(headscale, namespace="headscale"):
        with HeadscaleClient.over_unix_socket(headscale.socket_path) as local:
            key = local.create_api_key(datetime(2100, 1, 1, tzinfo=UTC))
        settings = {
            "instance": "vpn",
            "namespace": namespace,
            "channel": "direct",
            "kubeconfig": api.kubeconfig,
            "address": headscale.grpc_address,
            "transport": "grpc",
            "api_key": key,
        }
        return ConfigureRequest(Config({f"headscale:{name}": value for name, value in settings.items()}, "project"))

    return configuration
