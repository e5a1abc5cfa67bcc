"""A cluster that was recreated at the same address: a refresh, the update after it, and the refresh after that."""

import pytest

from dynamic_providers import provider as provider_module
from dynamic_providers.failures import DROP_VARIABLE, UserFacingError
from dynamic_providers.policy import PolicyProvider
from dynamic_providers.preflight import PreflightProvider
from dynamic_providers.rollout import RolloutProvider

from .clusters import *  # noqa: F403 - fixtures
from .clusters import KUBE_SYSTEM, changes_in, provider, with_instance
from .test_rollout_lifecycle import NEWS, POD, PVC, STATEFUL_SET

POLICY = '{"acls": []}'
DECLARED = {**NEWS, "policy": POLICY}


def deployed(api, cluster_id):
    """Deploy an instance, and return the resources in its state: provider, id and outputs."""
    with_instance(api, cluster_id)
    preflight = provider(PreflightProvider, api).create(DECLARED)
    rollout = provider(RolloutProvider, api)
    made = rollout.create(rollout.check({}, dict(NEWS)).inputs)
    policy = {"policy": POLICY, "database": made.id}
    # The next command runs in another process.
    provider_module._channels.clear()
    return {
        "preflight": (PreflightProvider, preflight.id, preflight.outs),
        "rollout": (RolloutProvider, made.id, made.outs),
        "policy": (PolicyProvider, "policy", policy),
    }


@pytest.fixture
def state(api):
    """The state of an instance whose cluster was recreated, and is empty."""
    known = deployed(api, "11111111-1111")
    for path in (PVC, STATEFUL_SET, POD):
        del api.objects[path]
    api.objects[KUBE_SYSTEM] = {"metadata": {"uid": "22222222-2222"}}
    return known


@pytest.mark.parametrize("name", ["preflight", "rollout", "policy"])
def test_refresh_without_variable_drops_nothing(api, state, name):
    kind, id_, props = state[name]

    with pytest.raises(UserFacingError, match=rf"at the same address, and there is no PVC .*{DROP_VARIABLE}=true"):
        provider(kind, api).read(id_, dict(props))
    assert changes_in(api) == ["PATCH"]


@pytest.mark.parametrize("name", ["preflight", "rollout", "policy"])
def test_refresh_with_variable_drops_everything(api, state, monkeypatch, name):
    monkeypatch.setenv(DROP_VARIABLE, "true")
    kind, id_, props = state[name]

    assert provider(kind, api).read(id_, dict(props)).id == ""


@pytest.mark.parametrize("first", ["preflight", "rollout", "policy"])
def test_instance_deployed_again_is_in_its_cluster(api, state, monkeypatch, first):
    """What was kept of the cluster before would make its own cluster another one for ever."""
    monkeypatch.setenv(DROP_VARIABLE, "true")
    refreshed = {name: provider(kind, api).read(id_, dict(props)) for name, (kind, id_, props) in state.items()}
    monkeypatch.delenv(DROP_VARIABLE)
    provider_module._channels.clear()
    after = deployed(api, "22222222-2222")
    kept = {name: (state[name][0], found.id, found.outs) for name, found in refreshed.items() if found.id}

    kind, id_, props = {**after, **kept}[first]

    provider(kind, api).channel.user_registry.identity.require()
    provider(kind, api).delete(id_, dict(props))
