"""A cluster with an instance of the same namespace and name, which is not the one of the state: nothing is touched."""

import pytest

from dynamic_providers import provider as provider_module
from dynamic_providers.api_key import ApiKeyProvider
from dynamic_providers.failures import DROP_VARIABLE, UserFacingError
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.pre_auth_key import PreAuthKeyProvider
from dynamic_providers.preflight import PreflightProvider
from dynamic_providers.rollout import RolloutProvider
from dynamic_providers.user import UserProvider
from headscale_core.rollout.identity import database_id
from headscale_core.rollout.rollout import InstanceLocation
from tests.fakes.kubernetes import FakeKubernetes

from .clusters import *  # noqa: F403 - fixtures
from .clusters import KUBE_SYSTEM, changes_in, provider, with_instance
from .test_rollout_lifecycle import NEWS, POD, PVC, STATEFUL_SET, create_pvc

TIME = "2026-01-01T00:00:00+00:00"
USER = {"username": "alice", "user_id": "1", "created_at": TIME}
KEY = {"namespace": "headscale", "secret_name": "s", "expiration": "1h", "key": "k", "expires_at": TIME, "owner": "o"}
API_KEY = {**KEY, "rotation_buffer": "1m", "overlap": "0s", "prefix": "p", "created_at": TIME}
BEHIND = {
    "user": (UserProvider, USER),
    "preauth key": (PreAuthKeyProvider, KEY),
    "API key": (ApiKeyProvider, API_KEY),
    "policy": (PolicyProvider, {"policy": "{}"}),
}
PLACE = InstanceLocation("headscale", "vpn")


@pytest.fixture
def another():
    """The API server of another cluster, with an instance of the same name."""
    with FakeKubernetes().serving() as server:
        with_instance(server, "22222222-2222")
        yield server


@pytest.fixture
def state(api):
    """The states of preflight and rollout of an instance that was deployed in its own cluster."""
    with_instance(api, "11111111-1111")
    rollout = provider(RolloutProvider, api)
    inputs = rollout.check({}, dict(NEWS)).inputs
    made = rollout.create(inputs)
    seen = {**NEWS, "policy": None}
    noted = provider(PreflightProvider, api).create(seen).outs
    # The next command runs in another process.
    provider_module._channels.clear()
    return {"preflight": noted, "rollout": made.outs, "database": made.id}


def calls(made, props):
    return [lambda: made.read("1", dict(props)), lambda: made.delete("1", dict(props))]


@pytest.mark.parametrize("variable", ["", "true"])
@pytest.mark.parametrize("retain", [True, False])
def test_rollout_of_another_cluster_is_refused(another, state, monkeypatch, variable, retain):
    monkeypatch.setenv(DROP_VARIABLE, variable)

    for call in calls(provider(RolloutProvider, another), {**state["rollout"], "retain": retain}):
        with pytest.raises(
            UserFacingError, match=r"is another cluster than .* PVC headscale/data-vpn-0 there is another one"
        ):
            call()
    assert PVC in another.objects
    assert changes_in(another) == []


@pytest.mark.parametrize("known", ["preflight", "rollout"])
@pytest.mark.parametrize("behind", BEHIND)
def test_what_is_behind_is_protected_by_others(another, state, monkeypatch, known, behind):
    """The engine asks for preflight and rollout first in a refresh, and all of them share a process."""
    monkeypatch.setenv(DROP_VARIABLE, "true")
    first, (kind, props) = {"preflight": PreflightProvider, "rollout": RolloutProvider}[known], BEHIND[behind]
    with pytest.raises(UserFacingError):
        provider(first, another).read("1", dict(state[known]))

    for call in calls(provider(kind, another), props):
        with pytest.raises(UserFacingError, match="is another cluster than"):
            call()
    assert changes_in(another) == []


@pytest.mark.parametrize(("kind", "props"), [BEHIND["API key"], BEHIND["policy"], BEHIND["preauth key"]])
def test_database_of_another_cluster_is_refused(another, state, kind, props):
    """In a destroy the keys go first, and know their cluster by themselves."""
    for call in calls(provider(kind, another), {**props, "database": state["database"]}):
        with pytest.raises(UserFacingError, match="is another cluster than"):
            call()
    assert changes_in(another) == []


def test_identity_is_asked_once_by_a_process(api, state):
    api.asked.clear()
    made = provider(PolicyProvider, api)
    for _ in range(5):
        made.delete("1", {"policy": "{}", "database": state["database"]})

    assert api.asked.count(("GET", PVC)) == 1
    assert ("GET", KUBE_SYSTEM) not in api.asked


def test_recreated_pvc_in_the_same_cluster_is_accepted(api, state):
    new = create_pvc(api)

    assert provider(RolloutProvider, api).read("1", dict(state["rollout"])).outs["claim"] == new
    provider(PolicyProvider, api).delete("1", {"policy": "{}", "database": state["database"]})


def test_wrong_cluster_without_instance_drops_nothing(another, state, monkeypatch):
    monkeypatch.setenv(DROP_VARIABLE, "true")
    for path in (PVC, STATEFUL_SET, POD):
        del another.objects[path]

    for kind, props in ((RolloutProvider, state["rollout"]), (UserProvider, {**USER, "database": state["database"]})):
        for call in calls(provider(kind, another), props):
            with pytest.raises(UserFacingError, match="there is no PVC headscale/data-vpn-0") as caught:
                call()
            assert DROP_VARIABLE not in str(caught.value)


def test_recreated_cluster_is_dropped_with_the_variable(api, state, monkeypatch):
    """At the same address, and without the instance: what the variable is for."""
    monkeypatch.setenv(DROP_VARIABLE, "true")
    for path in (PVC, STATEFUL_SET, POD):
        del api.objects[path]
    api.objects[KUBE_SYSTEM] = {"metadata": {"uid": "33333333-3333"}}

    assert provider(UserProvider, api).read("1", {**USER, "database": state["database"]}).id == ""
    provider(RolloutProvider, api).delete("1", dict(state["rollout"]))


def test_move_with_consent_deletes_what_was_replaced(another, state):
    """The preflight's update has begun it; what stays in the old cluster is not looked for in the new one."""
    consent = {**state["preflight"], "abandon_data": "headscale/vpn"}
    provider(PreflightProvider, another).update("preflight", state["preflight"], consent)

    provider(RolloutProvider, another).delete("1", {**state["rollout"], "retain": False})
    assert PVC in another.objects


@pytest.mark.parametrize("retain", [True, False])
def test_unreachable_cluster_keeps_the_rollout(state, monkeypatch, retain):
    nowhere = FakeKubernetes()
    with nowhere.serving():
        pass
    rollout, props = provider(RolloutProvider, nowhere), {**state["rollout"], "retain": retain}

    with pytest.raises(UserFacingError, match=f"unreachable.*{DROP_VARIABLE}=true"):
        rollout.delete("1", props)
    monkeypatch.setenv(DROP_VARIABLE, "true")
    rollout.delete("1", props)


def test_direct_headscale_elsewhere_is_not_asked(another, state):
    made = provider(PolicyProvider, another, channel="direct", address="h:1", api_key="k")

    made.delete("1", {"policy": "{}", "database": state["database"]})

    assert another.asked == []


def test_database_of_a_new_rollout_names_its_cluster(api, state):
    uid = api.objects[PVC]["metadata"]["uid"]

    assert state["database"] == database_id(PLACE, uid, "11111111-1111", state["rollout"]["server"])
