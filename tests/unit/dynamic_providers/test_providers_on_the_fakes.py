"""The providers between a fake Headscale and a fake Kubernetes, over the wire: what the engine calls, whole."""

import contextlib
import threading
from datetime import UTC, datetime

import grpc
import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers import provider as provider_module
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.failures import UserFacingError
from dynamic_providers.kubernetes.user_registry import USERS_ANNOTATION
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.user import UserProvider
from headscale_core import HeadscaleClient
from tests.contract.helpers import valid_prefixes
from tests.fakes.headscale import FakeHeadscale

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
PVC = "/api/v1/namespaces/n/persistentvolumeclaims/data-vpn-0"
SECRETS = "/api/v1/namespaces/n/secrets"
JOIN_KEY = {
    "namespace": "n",
    "secret_name": "laptop",
    "user_id": "1",
    "expiration": "1h",
    "reusable": True,
    "tags": [],
    "owner": "vpn-laptop",
}
API_KEY = {
    "namespace": "n",
    "secret_name": "ui",
    "expiration": "1h",
    "rotation_buffer": "10m",
    "overlap": "0s",
    "owner": "vpn-ui",
}


class Program:
    """A run of Pulumi: providers that share a connection, to a Headscale and a cluster that outlive it."""

    def __init__(self, api, headscale, key):
        self.api, self.headscale, self._key = api, headscale, key
        self.client = None

    def provider(self, kind, **settings):
        address = self.headscale.url if self.headscale.transport == "rest" else self.headscale.grpc_address
        settings = {
            "instance": "vpn",
            "namespace": "n",
            "channel": "direct",
            "kubeconfig": self.api.kubeconfig,
            "address": address,
            "transport": self.headscale.transport,
            "api_key": self._key,
            **settings,
        }
        provider = kind()
        config = Config({f"headscale:{key}": value for key, value in settings.items()}, "project")
        provider.configure(ConfigureRequest(config))
        return provider

    def restart(self):
        """Have the next provider be one of another process, which remembers nothing."""
        for channel in provider_module._channels.values():
            channel.close()
        provider_module._channels.clear()


@pytest.fixture(params=[("0.28", "grpc"), ("0.29", "grpc"), ("0.28", "rest"), ("0.29", "rest")], ids="-".join)
def program(request, api, monkeypatch):
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr("pulumi.log.warn", lambda _text: None)
    api.put(PVC)
    with contextlib.ExitStack() as ends:
        headscale = ends.enter_context(FakeHeadscale(*request.param))
        local = ends.enter_context(HeadscaleClient.over_unix_socket(headscale.socket_path))
        made = Program(api, headscale, local.create_api_key(FAR_AWAY))
        made.client = local
        ends.callback(made.restart)
        yield made


def users(program):
    return [user.name for user in program.client.list_users()]


def registered(program):
    return program.api.objects[PVC]["metadata"]["annotations"].get(USERS_ANNOTATION, "")


def failing(method, times, code=grpc.StatusCode.UNAVAILABLE):
    """Return what refuses the first calls of a method."""
    left = [times]

    def refuse(called):
        if called != method or left[0] == 0:
            return None
        left[0] -= 1
        return code, "the connection is closing"

    return refuse


def test_user_is_created_renamed_and_deleted(program):
    provider = program.provider(UserProvider)
    made = provider.create({"username": "alice"})
    assert (users(program), registered(program)) == (["alice"], "alice")

    renamed = provider.update(made.id, made.outs, {"username": "alicia"}).outs
    assert (users(program), registered(program)) == (["alicia"], "alicia")
    program.restart()
    program.provider(UserProvider).delete(made.id, renamed)

    assert (users(program), registered(program)) == ([], "")


@pytest.mark.parametrize("times", [1, 2])
def test_lost_connection_is_retried(program, times):
    provider = program.provider(UserProvider)
    program.headscale.refuse = failing("CreateUser", times)

    provider.create({"username": "alice"})

    assert users(program) == ["alice"]
    assert program.headscale.calls.count("CreateUser") == times + 1


def test_lost_connection_is_reported_after_three_tries(program):
    provider = program.provider(UserProvider)
    program.headscale.refuse = failing("CreateUser", 9)

    with pytest.raises(UserFacingError, match="failed to connect"):
        provider.create({"username": "alice"})

    assert program.headscale.calls.count("CreateUser") == 3


def test_refusal_is_not_retried(program):
    provider = program.provider(UserProvider)
    program.headscale.refuse = failing("CreateUser", 9, grpc.StatusCode.PERMISSION_DENIED)

    with pytest.raises(UserFacingError, match="the connection is closing"):
        provider.create({"username": "alice"})

    assert program.headscale.calls.count("CreateUser") == 1


def once(method):
    """Return what is true of the first call of a method alone."""
    left = [method]
    return lambda called: called in left and not left.clear()


def test_lost_answer_creates_no_second_user(program):
    provider = program.provider(UserProvider)
    program.headscale.loses_answer = once("CreateUser")

    made = provider.create({"username": "alice"})

    assert (users(program), registered(program)) == (["alice"], "alice")
    assert made.id == str(program.client.list_users()[0].id)


def test_user_with_nodes_is_deleted_by_force_only(program):
    made = program.provider(UserProvider).create({"username": "alice"})
    program.headscale.join("alice", 1)
    program.restart()
    provider = program.provider(UserProvider)

    with pytest.raises(UserFacingError, match=r"still has nodes: node-1 .id 1."):
        provider.delete(made.id, made.outs)
    assert (users(program), len(program.client.list_nodes())) == (["alice"], 1)
    provider.delete(made.id, {**made.outs, "force_delete": True})

    assert (users(program), program.client.list_nodes()) == ([], [])


def two_users_and_a_key(program):
    provider = program.provider(UserProvider)
    alice, bob = (provider.create({"username": name}) for name in ("alice", "bob"))
    program.provider(PreAuthKeyProvider).create({**JOIN_KEY, "user_id": alice.id})
    program.restart()
    return bob


def test_keys_on_user_deletion_refuse_keeps_the_user(program):
    bob = two_users_and_a_key(program)
    provider = program.provider(UserProvider)

    if program.headscale.version == "0.28":
        with pytest.raises(UserFacingError, match="keysOnUserDeletion: recreate"):
            provider.delete(bob.id, bob.outs)
        assert users(program) == ["alice", "bob"]
    else:
        provider.delete(bob.id, bob.outs)
        assert users(program) == ["alice"]
    assert len(program.client.list_pre_auth_keys()) == 1


@pytest.mark.parametrize("setting", ["recreate", "remake"])
def test_keys_on_user_deletion_recreates_keys(program, setting):
    bob = two_users_and_a_key(program)
    before = program.api.objects[f"{SECRETS}/laptop"]["data"]

    program.provider(UserProvider, keys_on_user_deletion=setting).delete(bob.id, bob.outs)

    (key,) = program.client.list_pre_auth_keys()
    after = program.api.objects[f"{SECRETS}/laptop"]
    assert users(program) == ["alice"]
    assert (after["data"] != before) is (program.headscale.version == "0.28")
    assert after["metadata"]["annotations"]["headscale-component/key-id"] == str(key.id)


KEYS = pytest.mark.parametrize(
    ("kind", "props"), [(PreAuthKeyProvider, JOIN_KEY), (ApiKeyProvider, API_KEY)], ids=["preauth key", "API key"]
)


def keys(program):
    """Return what names the keys that are there, without the one that the providers come in with."""
    own = program._key.removeprefix("hskey-api-")[:12]
    listed = [key.id for key in program.client.list_pre_auth_keys()]
    return listed + [prefix for prefix in valid_prefixes(program.client) if prefix != own]


@KEYS
def test_key_is_created_read_and_deleted(program, kind, props):
    program.client.create_user("alice")
    made = program.provider(kind).create(dict(props))
    path = f"{SECRETS}/{props['secret_name']}"
    assert (len(keys(program)), path in program.api.objects) == (1, True)
    program.restart()
    provider = program.provider(kind)
    assert provider.read(made.id, made.outs).id == made.id

    provider.delete(made.id, made.outs)

    assert (keys(program), path in program.api.objects) == ([], False)


@KEYS
def test_foreign_secret_is_not_overwritten(program, kind, props):
    program.client.create_user("alice")
    path = f"{SECRETS}/{props['secret_name']}"
    program.api.create(SECRETS, {"metadata": {"name": props["secret_name"]}, "data": {"key": "eA=="}})

    with pytest.raises(UserFacingError, match="nothing was changed"):
        program.provider(kind).create(dict(props))

    assert (keys(program), program.api.objects[path]["data"]) == ([], {"key": "eA=="})


@KEYS
def test_lost_answer_leaves_no_second_key(program, kind, props):
    program.client.create_user("alice")
    program.headscale.loses_answer = once("CreateApiKey" if kind is ApiKeyProvider else "CreatePreAuthKey")
    with contextlib.suppress(UserFacingError):
        program.provider(kind).create(dict(props))
    program.restart()

    program.provider(kind).create(dict(props))

    assert len(keys(program)) == 1


@KEYS
@pytest.mark.parametrize("status", [403, 409, 429, 500])
def test_refused_secret_leaves_no_key(program, kind, props, status):
    program.client.create_user("alice")
    writes = []

    def refuse(method, _path):
        if method == "PATCH":
            writes.append(method)
        return (status, "no") if method == "PATCH" and len(writes) == 2 else None

    program.api.refuse = refuse
    with pytest.raises(UserFacingError, match="cannot be written: no"):
        program.provider(kind).create(dict(props))

    assert keys(program) == []


def test_deletion_waits_for_other_changes(program):
    """On 0.28 it would take the keys that another thread is creating."""
    bob = two_users_and_a_key(program)
    provider = program.provider(UserProvider, keys_on_user_deletion="remake")
    entered, leave = threading.Event(), threading.Event()

    def change():
        with provider.channel.change():
            entered.set()
            assert leave.wait(10)

    threads = [threading.Thread(target=change), threading.Thread(target=provider.delete, args=(bob.id, bob.outs))]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    threads[1].join(0.1)
    before = program.headscale.calls.count("DeleteUser")
    leave.set()
    for thread in threads:
        thread.join(10)

    assert (before, program.headscale.calls.count("DeleteUser")) == (0, 1)


ALICE = {"username": "alice", "display_name": "Alice"}
ALICIA = {"username": "alice", "display_name": "Alicia"}


def names_and_profiles(program):
    return [(user.name, user.display_name) for user in program.client.list_users()]


def test_replaced_user_is_deleted_by_create_after_diff(program):
    old = program.provider(UserProvider).create(dict(ALICE))
    program.restart()
    provider = program.provider(UserProvider)

    assert provider.diff(old.id, old.outs, dict(ALICIA)).replaces == ["display_name"]
    new = provider.create(dict(ALICIA))
    provider.delete(old.id, old.outs)

    assert names_and_profiles(program) == [("alice", "Alicia")]
    assert new.id != old.id


@pytest.mark.parametrize("restarts", [False, True], ids=["no diff", "diff in another process"])
def test_create_without_diff_refuses_another_profile(program, restarts):
    old = program.provider(UserProvider).create(dict(ALICE))
    program.restart()
    if restarts:
        program.provider(UserProvider).diff(old.id, old.outs, dict(ALICIA))
        program.restart()

    with pytest.raises(UserFacingError, match="displayName is `Alice` and not `Alicia`"):
        program.provider(UserProvider).create(dict(ALICIA))

    assert names_and_profiles(program) == [("alice", "Alice")]


def test_tainted_user_is_found_and_kept(program):
    old = program.provider(UserProvider).create(dict(ALICE))
    program.restart()
    provider = program.provider(UserProvider)

    new = provider.create(dict(ALICE))
    provider.delete(old.id, old.outs)

    assert new.id == old.id
    assert names_and_profiles(program) == [("alice", "Alice")]


def test_user_created_by_another_run_is_deleted(program):
    old = program.provider(UserProvider).create(dict(ALICE))
    program.restart()

    program.provider(UserProvider).delete(old.id, old.outs)

    assert users(program) == []


@pytest.mark.parametrize("has_diff", [True, False], ids=["diff", "no diff"])
def test_replaced_key_in_state_is_left_to_delete(program, has_diff):
    """The engine deletes the key of its state itself; without a diff it is taken for one of an interrupted run."""
    props = {**JOIN_KEY, "user_id": str(program.client.create_user("alice").id)}
    old = program.provider(PreAuthKeyProvider).create(dict(props))
    program.restart()
    provider = program.provider(PreAuthKeyProvider)
    if has_diff:
        provider.diff(old.id, old.outs, {**props, "expiration": "2h"})

    new = provider.create({**props, "expiration": "2h"})

    left = {str(key.id) for key in program.client.list_pre_auth_keys()}
    assert left == ({old.id, new.id} if has_diff else {new.id})
    provider.delete(old.id, old.outs)
    assert {str(key.id) for key in program.client.list_pre_auth_keys()} == {new.id}
