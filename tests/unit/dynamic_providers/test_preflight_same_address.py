"""Another cluster that answers at the address of the state's, as local clusters do: an update does not begin."""

import pytest

from dynamic_providers.failures import UserFacingError
from dynamic_providers.preflight import PreflightProvider

from .clusters import *  # noqa: F403 - fixtures
from .clusters import KUBE_SYSTEM, changes_in, provider, with_instance
from .test_rollout_lifecycle import NEWS, create_pvc

DECLARED = {**NEWS, "policy": None}
CHANGED = {**NEWS, "policy": '{"acls": []}'}
CONSENT = {**CHANGED, "abandon_data": "headscale/vpn"}


@pytest.fixture
def made(api, known):
    """The preflight in another cluster, with an instance of the same name."""
    with_instance(api, "22222222-2222")
    return provider(PreflightProvider, api)


@pytest.mark.parametrize("news", [CHANGED, {**DECLARED, "version": "v0.30.0"}], ids=["policy", "version"])
def test_update_in_another_cluster_is_refused(api, known, made, news):
    with pytest.raises(UserFacingError, match=r"is another cluster than .* write `abandonData: headscale/vpn`"):
        made.update("preflight", dict(known), news)

    assert changes_in(api) == []


def test_update_with_consent_is_done(known, made):
    assert made.update("preflight", dict(known), CONSENT).outs["cluster_id"] == "22222222-2222"


def test_consent_of_earlier_update_is_refused(known, made):
    with pytest.raises(UserFacingError, match=r"is another cluster .* does not count, for an earlier update had it"):
        made.update("preflight", {**known, "abandon_data": "headscale/vpn"}, CONSENT)


def test_recreated_pvc_of_same_cluster_is_accepted(api, known):
    new = create_pvc(api)

    assert provider(PreflightProvider, api).update("preflight", dict(known), CHANGED).outs["claim"] == new


def test_recreated_empty_cluster_is_refused(api, known):
    api.objects.clear()
    api.objects[KUBE_SYSTEM] = {"metadata": {"uid": "22222222-2222"}}

    with pytest.raises(UserFacingError, match=r"is another cluster than .* at the same address"):
        provider(PreflightProvider, api).update("preflight", dict(known), CHANGED)
