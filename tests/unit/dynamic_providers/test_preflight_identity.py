"""What the preflight's state knows of its cluster, after updates that the cluster did not answer."""

import pytest

from dynamic_providers import provider as provider_module
from dynamic_providers.errors import WrongCluster
from dynamic_providers.failures import UserFacingError
from dynamic_providers.preflight import PreflightProvider
from headscale_core.rollout.identity import Identity
from tests.fakes.kubernetes import FakeKubernetes

from .clusters import *  # noqa: F403 - fixtures
from .clusters import KUBE_SYSTEM, provider, with_instance
from .test_rollout_lifecycle import NEWS, PVC

DECLARED = {**NEWS, "policy": None}
CHANGED = {**NEWS, "policy": '{"acls": []}'}


@pytest.fixture
def updated_unanswered(api, known):
    """The same after an update while the API server refused its credentials."""
    api.refuse = lambda *_: (401, "Unauthorized")
    outs = provider(PreflightProvider, api).update("preflight", dict(known), CHANGED).outs
    provider_module._channels.clear()
    return outs


def test_unanswered_update_keeps_known_cluster(known, updated_unanswered):
    assert updated_unanswered == {**known, **CHANGED}


def test_another_cluster_after_unanswered_update_is_refused(updated_unanswered):
    with FakeKubernetes().serving() as another:
        with_instance(another, "22222222-2222")
        with pytest.raises(UserFacingError, match="`abandonData: headscale/vpn`"):
            provider(PreflightProvider, another).diff("preflight", updated_unanswered, CHANGED)


def test_unanswered_update_accepts_no_cluster(api, known):
    made = provider(PreflightProvider, api)
    api.refuse = lambda *_: (401, "Unauthorized")
    made.update("preflight", dict(known), CHANGED)
    api.refuse = lambda *_: None
    api.objects[KUBE_SYSTEM] = {"metadata": {"uid": "22222222-2222"}}
    api.objects[PVC]["metadata"]["uid"] = "another"

    identity = made.channel.user_registry.identity
    identity.expect(Identity.of(known["claim"], known["cluster_id"], known["server"]))
    with pytest.raises(WrongCluster):
        identity.require()
