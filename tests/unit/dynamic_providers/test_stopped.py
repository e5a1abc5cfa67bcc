"""What is read and deleted while Headscale does not run: the state is kept, and revocations are recorded."""

import contextlib
import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers import provider as provider_module
from dynamic_providers import retry
from dynamic_providers.admin import instance_status as instance_status_module
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.errors import ClusterError, ConnectionLost
from dynamic_providers.failures import UserFacingError
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.kubernetes.user_registry import REVOKE_ANNOTATION, USERS_ANNOTATION
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.retry import POD_START
from dynamic_providers.rollout import RolloutProvider
from dynamic_providers.user import UserProvider
from headscale_core import ApiKey, HeadscaleClient, PreAuthKey
from headscale_core.client.errors import Unreachable
from headscale_core.keys import annotations

from .test_rollout_rules import container, pod

STATEFUL_SET = "/apis/apps/v1/namespaces/n/statefulsets/vpn"
POD = "/api/v1/namespaces/n/pods/vpn-0"
PVC = "/api/v1/namespaces/n/persistentvolumeclaims/data-vpn-0"
SECRETS = "/api/v1/namespaces/n/secrets"
END = datetime(2030, 1, 1, 0, 0, 0, 123456, UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)
USER = {"username": "alice", "user_id": "1", "created_at": "2026-01-01T00:00:00+00:00"}
KEY = {"namespace": "n", "secret_name": "s", "expiration": "1h", "key": "k", "expires_at": END.isoformat()}
API_KEY = {
    **KEY,
    "secret_name": "a",
    "rotation_buffer": "1m",
    "overlap": "0s",
    "prefix": "abc",
    "created_at": END.isoformat(),
    "superseded": ["old"],
}
READ: dict[str, Any] = {
    "user": (UserProvider, USER),
    "preauth key": (PreAuthKeyProvider, KEY),
    "API key": (ApiKeyProvider, API_KEY),
    "policy": (PolicyProvider, {"policy": '{"acls": []}', "tests_can_run": True}),
}
NOTED = {
    f"preauth-key/1/{END.isoformat()}",
    f"preauth-key/8/{LATER.isoformat()}",
    f"api-key/abc/{END.isoformat()}",
    "api-key/old/",
}
UNREADY = pod(container(state={"waiting": {"reason": "ImagePullBackOff"}}, ready=False), ready=False)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    short = dataclasses.replace(POD_START, initial_seconds=0.05, max_seconds=0.05, deadline_seconds=0.2)
    monkeypatch.setattr(instance_status_module, "POD_START", short)
    monkeypatch.setattr(retry, "_sleep", lambda seconds: time.sleep(min(seconds, 0.05)))


@pytest.fixture
def stopped(api, monkeypatch):
    """An instance that is scaled to 0, with its claim."""
    monkeypatch.setattr(provider_module, "_channels", {})
    api.messages = []
    monkeypatch.setattr("pulumi.log.warn", api.messages.append)
    api.objects[STATEFUL_SET] = {"metadata": {"namespace": "n", "name": "vpn"}, "spec": {"replicas": 0}}
    api.put(PVC, {USERS_ANNOTATION: "alice"})
    return api


def start(api, found):
    api.objects[STATEFUL_SET]["spec"]["replicas"] = 1
    api.objects[POD] = found


def a_provider(api, kind):
    made = kind()
    given = {"instance": "vpn", "namespace": "n", "kubeconfig": api.kubeconfig}
    made.configure(ConfigureRequest(Config({f"headscale:{key}": value for key, value in given.items()}, "project")))
    return made


def recorded_keys(api):
    return set(filter(None, api.objects[PVC]["metadata"]["annotations"].get(REVOKE_ANNOTATION, "").split(",")))


def a_secret(api, name, kind, **notes):
    labels = a_provider(api, kind).channel.secrets("preauth-key" if kind is PreAuthKeyProvider else "api-key")._labels()
    api.put(f"{SECRETS}/{name}", notes, labels)


def delete_both(api):
    """Delete a preauth key whose Secret tells of a killed run, and an API key."""
    given = {
        annotations.KEY_ID: "8",
        annotations.EXPIRES_AT: LATER.isoformat(),
        annotations.RECREATED_FROM: "1",
        annotations.PENDING: datetime(2032, 1, 1, tzinfo=UTC).isoformat(),
    }
    a_secret(api, "s", PreAuthKeyProvider, **given)
    api.objects[f"{SECRETS}/s"]["data"] = {"key": "c2VjcmV0"}
    a_secret(api, "a", ApiKeyProvider, **{annotations.KEY_ID: "abc", annotations.EXPIRES_AT: END.isoformat()})
    a_provider(api, PreAuthKeyProvider).delete("1", dict(KEY))
    a_provider(api, ApiKeyProvider).delete("n/a/abc", dict(API_KEY))


def test_refresh_keeps_the_state_with_one_warning(stopped):
    for kind, props in READ.values():
        read = a_provider(stopped, kind).read("1", dict(props))
        assert (read.id, read.outs) == ("1", props)

    assert len(stopped.messages) == 1
    assert "pod n/vpn-0 does not exist: StatefulSet n/vpn is scaled to 0" in stopped.messages[0]
    assert "users, keys and policy were not looked at" in stopped.messages[0]
    assert stopped.count("GET", STATEFUL_SET) == 1


def test_unready_pod_is_waited_for_once(stopped):
    start(stopped, UNREADY)
    begun = time.monotonic()

    for kind, props in READ.values():
        a_provider(stopped, kind).read("1", dict(props))

    assert time.monotonic() - begun < 1
    assert len(stopped.messages) == 1
    assert "ImagePullBackOff" in stopped.messages[0]


def fail(monkeypatch, channel, error):
    """Have every attempt to reach Headscale fail, once each."""
    channel._sessions._connect_timeout_seconds = 0.0

    @contextlib.contextmanager
    def failing():
        raise error
        yield

    monkeypatch.setattr(channel._sessions._dialer, "client", failing)


BROKEN = Unreachable("ListUsers", "vpn", "broken")


@pytest.mark.parametrize(("kind", "props"), READ.values(), ids=READ)
def test_failure_of_a_ready_pod_is_no_stop(stopped, monkeypatch, kind, props):
    start(stopped, pod(container()))
    fail(monkeypatch, a_provider(stopped, kind).channel, BROKEN)

    with pytest.raises(UserFacingError, match=r"broken.*is ready"):
        a_provider(stopped, kind).read("1", dict(props))
    if kind in {PreAuthKeyProvider, ApiKeyProvider}:
        with pytest.raises(UserFacingError, match=r"broken.*is ready"):
            a_provider(stopped, kind).delete("1", dict(props))
    assert recorded_keys(stopped) == set()
    assert stopped.messages == []


UNREADY_SIDECAR = pod(container(), container("apikey-manager", ready=False), ready=False)


def test_failed_attempt_at_unready_pod_counts_as_stopped(stopped, monkeypatch):
    start(stopped, UNREADY_SIDECAR)
    fail(monkeypatch, a_provider(stopped, UserProvider).channel, BROKEN)

    assert a_provider(stopped, UserProvider).read("1", dict(USER)).outs == USER
    assert "`apikey-manager` of pod headscale/vpn-0 runs and is not ready" in stopped.messages[0]


def test_refused_port_forward_is_no_stop(stopped, monkeypatch):
    start(stopped, UNREADY_SIDECAR)
    fail(monkeypatch, a_provider(stopped, UserProvider).channel, ClusterError("pods/portforward is forbidden", 403))

    with pytest.raises(UserFacingError, match="portforward is forbidden"):
        a_provider(stopped, UserProvider).read("1", dict(USER))


def test_what_may_not_be_read_stays_an_error(stopped):
    stopped.refuse = lambda _, path: (403, "pods is forbidden") if path == POD else None

    with pytest.raises(UserFacingError, match="cannot be read: pods is forbidden"):
        a_provider(stopped, UserProvider).read("1", dict(USER))


def test_deleted_keys_are_recorded_and_their_secrets_deleted(stopped):
    delete_both(stopped)

    assert recorded_keys(stopped) - NOTED == {"preauth-key//2032-01-01T00:00:00+00:00"}
    assert recorded_keys(stopped) >= NOTED
    assert stopped.objects[PVC]["metadata"]["annotations"][USERS_ANNOTATION] == "alice"
    assert not [path for path in stopped.objects if path.startswith(SECRETS)]
    assert "secret" not in json.dumps(stopped.objects[PVC])
    assert "until then, at the longest until 2030-01-01 00:00 UTC, it is valid" in stopped.messages[1]


def test_key_of_a_deleted_instance_is_recorded(stopped):
    del stopped.objects[STATEFUL_SET]

    delete_both(stopped)

    assert recorded_keys(stopped) >= NOTED


REFUSED = {"no right": 403, "etcd is away": 500}


@pytest.mark.parametrize("status", REFUSED.values(), ids=REFUSED)
def test_key_that_cannot_be_recorded_stays(stopped, status):
    stopped.refuse = lambda method, path: (status, "no") if (method, path) == ("PATCH", PVC) else None

    with pytest.raises(
        UserFacingError, match=r"preauth key 1 cannot be revoked.*nor written to PVC n/data-vpn-0.*start the"
    ):
        delete_both(stopped)

    assert f"{SECRETS}/s" in stopped.objects


def test_without_pvc_and_pod_nothing_is_recorded(stopped):
    del stopped.objects[PVC]

    delete_both(stopped)

    assert not [path for path in stopped.objects if path.startswith(SECRETS)]


def test_without_pvc_unready_pod_keeps_keys(stopped):
    start(stopped, UNREADY)
    del stopped.objects[PVC]

    with pytest.raises(UserFacingError, match="there is no such PVC"):
        delete_both(stopped)


def test_user_waits_until_the_instance_is_started(stopped):
    with pytest.raises(UserFacingError, match=r"user `alice` cannot be deleted.*scaled to 0; start the instance first"):
        a_provider(stopped, UserProvider).delete("1", dict(USER))


def test_many_deleted_keys_share_requests(stopped):
    start(stopped, UNREADY)
    keys = [(str(number), {**KEY, "secret_name": f"s-{number}"}) for number in range(100)]
    begun = time.monotonic()

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: a_provider(stopped, PreAuthKeyProvider).delete(*key), keys))

    assert len(recorded_keys(stopped)) == 100
    assert stopped.count("GET", POD) < 10
    assert stopped.count("PATCH", PVC) < 60
    assert time.monotonic() - begun < 20


class FakeHeadscale(HeadscaleClient):
    """Keys in memory, behind the client's own methods."""

    def __init__(self):
        self.pre_auth = {1: END, 2: END, 8: LATER, 9: datetime(2032, 1, 1, tzinfo=UTC)}
        self.api = {"abc": END, "old": END, "other": END}

    def list_users(self, **_):
        return []

    def list_pre_auth_keys(self):
        return [PreAuthKey(number, "", None, False, False, False, end, None) for number, end in self.pre_auth.items()]

    def list_api_keys(self):
        return [ApiKey(1, prefix, end, None) for prefix, end in self.api.items()]

    def delete_pre_auth_key(self, key_id):
        del self.pre_auth[key_id]

    def delete_api_key(self, prefix):
        del self.api[prefix]


@pytest.fixture
def started_again(stopped, monkeypatch):
    """Keys were deleted while it was stopped; now it runs, and another process works."""
    delete_both(stopped)
    start(stopped, pod(container()))
    provider_module._channels.clear()
    headscale = FakeHeadscale()
    channel = a_provider(stopped, UserProvider).channel
    monkeypatch.setattr(channel._sessions._dialer, "client", lambda: contextlib.nullcontext(headscale))
    return SimpleNamespace(api=stopped, headscale=headscale, channel=channel)


def revoked(again):
    return (set(again.headscale.pre_auth), set(again.headscale.api), recorded_keys(again.api)) == (
        {2},
        {"other"},
        set(),
    )


def test_next_change_revokes_recorded_keys(started_again):
    with started_again.channel.change():
        pass

    assert revoked(started_again)


def test_next_rollout_revokes_recorded_keys(started_again, monkeypatch):
    monkeypatch.setattr(RolloutWatcher, "wait", lambda *_: "uid")
    monkeypatch.setattr(RolloutWatcher, "pvc", lambda *_: None)
    place = {"namespace": "n", "instance": "vpn", "version": "v0.29.3", "size": "1Gi", "ready_timeout": "1m"}

    a_provider(started_again.api, RolloutProvider).create({**place, "replicas": 1})

    assert revoked(started_again)


def test_failed_revocation_stays_recorded(started_again, monkeypatch):
    def away():
        raise Unreachable("ListApiKeys", "vpn", "away")

    monkeypatch.setattr(started_again.headscale, "list_api_keys", away)
    before = recorded_keys(started_again.api)

    with pytest.raises(ConnectionLost), started_again.channel.change():
        pass

    assert recorded_keys(started_again.api) == before


def test_id_of_another_database_is_left_alone(started_again):
    started_again.headscale.pre_auth = {1: LATER}

    with started_again.channel.change():
        pass

    assert started_again.headscale.pre_auth == {1: LATER}
