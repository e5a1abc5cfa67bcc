"""What is opened for one call is closed after it: no thread stays, however often it is made."""

import asyncio
import contextlib
import threading
import time

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers import lookup
from dynamic_providers import provider as provider_module
from dynamic_providers.errors import ClusterError
from dynamic_providers.kubernetes import pod_command
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.event_loop import EventLoopThread
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.preflight import PreflightProvider
from dynamic_providers.settings import Settings

PATH = "/api/v1/namespaces/n/secrets/s"
SECONDS = 5.0


def threads_after(before):
    """Return the threads that were not there before; those of the fake server end a moment after their connections."""
    deadline = time.monotonic() + SECONDS
    while (left := {*threading.enumerate()} - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def test_closed_cluster_leaves_no_thread(api):
    before = {*threading.enumerate()}
    cluster = Cluster(api.kubeconfig)
    assert cluster.request("GET", PATH).status == 404
    assert len({*threading.enumerate()} - before) > 0

    cluster.close()

    assert threads_after(before) == set()
    assert cluster.has_answered


def test_closed_cluster_connects_again_on_request(api):
    before = {*threading.enumerate()}
    cluster = Cluster(api.kubeconfig)

    for _ in range(2):
        assert cluster.request("GET", PATH).status == 404
        cluster.close()

    assert threads_after(before) == set()


def test_close_of_unused_cluster_does_nothing():
    before = {*threading.enumerate()}

    with contextlib.closing(Cluster()):
        pass

    assert threads_after(before) == set()


def test_close_ends_work_under_way(api, monkeypatch):
    cluster, started, caught = Cluster(api.kubeconfig), threading.Event(), []

    async def endless(*_, **__):
        started.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(pod_command, "execute", endless)

    def execute():
        with pytest.raises(ClusterError, match="closed while it was in use") as error:
            cluster.execute("vpn-0", "n", "headscale", ["headscale"])
        caught.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    assert started.wait(SECONDS)

    cluster.close()
    thread.join(SECONDS)

    assert len(caught) == 1


def test_event_loop_times_out_and_goes_on():
    async def answer():
        return 42

    with contextlib.closing(EventLoopThread("test")) as loop:
        with pytest.raises(TimeoutError):
            loop.run(asyncio.sleep(3600), 0.01)
        assert loop.run(answer()) == 42


def provider(kind, api):
    made = kind()
    config = {"instance": "vpn", "namespace": "n", "kubeconfig": api.kubeconfig}
    made.configure(ConfigureRequest(Config({f"headscale:{key}": value for key, value in config.items()}, "project")))
    return made


def check_policy(api):
    assert provider(PolicyProvider, api).check({}, {"policy": "{}", "server_check": True}).failures == []


def store_policy_before_upgrade(api):
    provider(PreflightProvider, api)._store_policy({"policy": "{}"}, {"policy": "{}", "version": "v0.29.0"})


def look_up(api):
    settings = Settings("vpn", "n", kubeconfig=api.kubeconfig)
    with pytest.raises(pulumi.RunError, match="there is no StatefulSet n/vpn"):
        lookup._run(settings, lambda client: client.list_users())


@pytest.mark.parametrize("call", [check_policy, store_policy_before_upgrade, look_up], ids=lambda call: call.__name__)
def test_channel_of_one_call_leaves_no_thread(api, monkeypatch, call):
    monkeypatch.setattr(provider_module, "_channels", {})
    for level in ("info", "warn"):
        monkeypatch.setattr(f"pulumi.log.{level}", lambda _text: None)
    before, asked = {*threading.enumerate()}, []
    monkeypatch.setattr(
        Cluster, "close", lambda self, close=Cluster.close: asked.append(self.has_answered) or close(self)
    )

    for _ in range(3):
        call(api)

    assert asked == [True] * 3
    assert threads_after(before) == set()
