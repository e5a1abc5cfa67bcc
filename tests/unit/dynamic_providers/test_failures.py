"""What a person sees of a provider that fails, through the SDK's own process; and what a lost cluster means."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from dynamic_providers import provider as provider_module
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.errors import ClusterUnreachable
from dynamic_providers.failures import DROP_VARIABLE, UserFacingError
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.user import UserProvider
from headscale_core.keys import annotations
from headscale_core.users.lifecycle import UserError

REPOSITORY = Path(__file__).parents[3]
KUBECONFIG = json.dumps(
    {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
)
NOTHING = {"instance": "vpn", "namespace": "n", "kubeconfig": KUBECONFIG}
USER = {"username": "alice", "user_id": "1", "created_at": "2026-01-01T00:00:00+00:00"}
KEY = {
    "namespace": "n",
    "secret_name": "s",
    "expiration": "1h",
    "key": "k",
    "expires_at": "2026-01-01T00:00:00+00:00",
    "owner": "o",
}
API_KEY = {**KEY, "rotation_buffer": "1m", "overlap": "0s", "prefix": "p", "created_at": KEY["expires_at"]}


SHORT_PAUSES = """
import runpy
import time
from dynamic_providers import retry
retry._sleep = lambda seconds: time.sleep(min(seconds, 0.01))
runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def the_sdks_process(*arguments, **environment):
    """Start the process in which the engine has providers work, as the engine does without other arguments."""
    process = subprocess.Popen(
        [sys.executable, "-u", *(arguments or ("-m", "pulumi.dynamic"))],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )
    try:
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def struct(**values):
    message = struct_pb2.Struct()
    message.update(values)
    return message


def pickled(kind):
    return serialize_provider(kind())


def said_by(call, request):
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.details().strip()


def configured(stub, settings):
    stub.Configure(
        provider_pb2.ConfigureRequest(args=struct(**{f"headscale:{key}": value for key, value in settings.items()}))
    )


@pytest.fixture
def stub():
    with the_sdks_process("-c", SHORT_PAUSES) as stub:
        yield stub


def test_expected_refusal_is_one_line_without_traceback(stub):
    configured(stub, NOTHING)
    props = struct(__provider=pickled(UserProvider), **USER)

    messages = said_by(stub.Create, provider_pb2.CreateRequest(properties=props))

    assert messages.startswith("headscale: the Kubernetes cluster is unreachable at https://127.0.0.1:1 ")
    assert "\n" not in messages


def test_resource_without_connection_fails_with_one_line(stub):
    props = struct(__provider=pickled(UserProvider), username="alice")

    messages = said_by(stub.Check, provider_pb2.CheckRequest(news=props, olds=struct()))

    assert messages == "headscale: users and keys need a HeadscaleConnection: give it as `provider` in their options"


def test_bug_is_shown_with_its_trace(stub):
    configured(stub, NOTHING)
    props = struct(__provider=pickled(PreAuthKeyProvider), namespace="n")

    messages = said_by(stub.Delete, provider_pb2.DeleteRequest(id="1", properties=props))

    assert messages.startswith("KeyError: 'expires_at'\n")
    assert "Traceback (most recent call last)" in messages
    assert "pre_auth_key.py" in messages


def test_cluster_declared_gone_drops_its_users():
    with the_sdks_process(PULUMI_K8S_DELETE_UNREACHABLE="true") as stub:
        configured(stub, NOTHING)
        begun = time.monotonic()
        for kind, props in ((UserProvider, USER), (PreAuthKeyProvider, KEY), (ApiKeyProvider, API_KEY)):
            given = struct(__provider=pickled(kind), **props)
            assert stub.Read(provider_pb2.ReadRequest(id="1", properties=given)).id == ""
            stub.Delete(provider_pb2.DeleteRequest(id="1", properties=given))

    assert time.monotonic() - begun < 15


def test_pickles_of_providers_stay_short_and_alike():
    """They stand in people's state."""
    for kind in (UserProvider, PreAuthKeyProvider, ApiKeyProvider):
        assert len(pickled(kind)) < 100
        assert pickled(kind) == pickled(kind)


@pytest.fixture
def provider(api, monkeypatch):
    """Return a function that makes a provider whose StatefulSet is nowhere."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.delenv(DROP_VARIABLE, raising=False)
    messages = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)

    def make(kind, **changes):
        made = kind()
        given = {**NOTHING, "kubeconfig": api.kubeconfig, **changes}
        config = {f"headscale:{key}": value for key, value in given.items()}
        made.configure(ConfigureRequest(Config(config, "project")))
        made.messages = messages
        return made

    return make


PVC = "/api/v1/namespaces/n/persistentvolumeclaims/data-vpn-0"
SECRETS = "/api/v1/namespaces/n/secrets"
RESOURCES = {
    "user": (UserProvider, USER),
    "preauth key": (PreAuthKeyProvider, KEY),
    "API key": (ApiKeyProvider, API_KEY),
}
EACH = pytest.mark.parametrize(("kind", "props"), RESOURCES.values(), ids=RESOURCES)


def both(provider, props):
    return [lambda: provider.read("1", dict(props)), lambda: provider.delete("1", dict(props))]


@EACH
def test_wrong_cluster_is_never_already_deleted(api, provider, kind, props):
    api.objects[SECRETS] = {"metadata": {}, "items": []}

    for call in both(provider(kind), props):
        with pytest.raises(UserFacingError, match="is this the right cluster") as caught:
            call()
        messages = str(caught.value)
        assert "StatefulSet n/vpn" in messages
        assert "PVC n/data-vpn-0" in messages
        assert "context `test`" in messages
        assert f"{DROP_VARIABLE}=true drops this" in messages


@EACH
def test_wrong_cluster_is_left_by_the_persons_word(api, provider, kind, props, monkeypatch):
    api.objects[SECRETS] = {"metadata": {}, "items": []}
    monkeypatch.setenv(DROP_VARIABLE, "true")
    made = provider(kind)
    read, delete = both(made, props)

    assert read().id == ""
    delete()

    assert len(made.messages) == 2
    assert "is dropped from the state" in made.messages[0]


@EACH
def test_instance_with_remaining_pvc_was_deleted(api, provider, kind, props):
    api.objects[SECRETS] = {"metadata": {}, "items": []}
    api.put(PVC, {"headscale-component/users": "alice,bob"})
    read, delete = both(provider(kind), props)

    assert read().id == "1"
    delete()


def test_note_of_other_users_is_no_evidence(api, provider):
    api.put(PVC, {"headscale-component/users": "bob"})

    with pytest.raises(UserFacingError, match="user `alice` is not known to be gone"):
        provider(UserProvider).delete("1", dict(USER))


def test_secret_with_the_key_is_proof(api, provider):
    made = provider(PreAuthKeyProvider)
    labels = made.channel.secrets("preauth-key")._labels()
    api.put(f"{SECRETS}/s", {annotations.KEY_ID: "1", annotations.EXPIRES_AT: KEY["expires_at"]}, labels)

    made.delete("1", dict(KEY))

    assert f"{SECRETS}/s" not in api.objects


@EACH
def test_unreachable_cluster_drops_nothing_by_itself(api, provider, kind, props):
    for call in both(provider(kind, kubeconfig=KUBECONFIG), props):
        with pytest.raises(
            UserFacingError, match=f"unreachable.*if the cluster is gone for good, {DROP_VARIABLE}=true"
        ):
            call()


def test_outage_in_the_middle_drops_nothing(api, provider, monkeypatch):
    """A cluster that has answered this process is there."""
    monkeypatch.setenv(DROP_VARIABLE, "true")
    made = provider(UserProvider)
    assert made.channel.cluster.request("GET", PVC).status == 404

    def away(*_, **__):
        raise ClusterUnreachable("the Kubernetes cluster is unreachable")

    monkeypatch.setattr(made.channel.cluster, "request", away)

    for call in both(made, USER):
        with pytest.raises(UserFacingError, match="unreachable"):
            call()


@pytest.mark.parametrize(("status", "words"), [(401, "refuses the credentials"), (403, "answers: forbidden")])
def test_refusal_of_a_cluster_drops_nothing(api, provider, monkeypatch, status, words):
    monkeypatch.setenv(DROP_VARIABLE, "true")
    api.refuse = lambda *_: (status, "forbidden")

    for call in both(provider(UserProvider), USER):
        with pytest.raises(UserFacingError, match=words):
            call()


def test_lost_cluster_says_nothing_of_a_headscale_elsewhere(api, provider, monkeypatch):
    monkeypatch.setenv(DROP_VARIABLE, "true")
    made = provider(PreAuthKeyProvider, kubeconfig=KUBECONFIG, channel="direct", address="h:1", api_key="k")
    monkeypatch.setattr(made.channel.lists, "pre_auth_keys", dict)

    with pytest.raises(UserFacingError, match="unreachable"):
        made.read("1", dict(KEY))


def test_error_of_several_lines_becomes_one(api, provider, monkeypatch):
    made = provider(UserProvider)

    @contextlib.contextmanager
    def fail(**_):
        raise UserError("one\n  two")
        yield

    monkeypatch.setattr(made.channel, "change", fail)

    with pytest.raises(UserFacingError) as caught:
        made.create({"username": "alice"})

    assert str(caught.value) == "one two"
