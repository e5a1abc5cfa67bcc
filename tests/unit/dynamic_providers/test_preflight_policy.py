"""The policy of an upgrade: stored while the old version still runs; another one than the stack's refuses it."""

import grpc
import pytest

from dynamic_providers import preflight as preflight_module
from dynamic_providers import provider as provider_module
from dynamic_providers.failures import UserFacingError
from dynamic_providers.preflight import PreflightProvider
from tests.fakes.headscale import FakeHeadscale

from .test_rollout_rules import container, pod, stateful_set

OLD_POLICY = '{"acls": []}'
NEW_POLICY = '{"acls": [], "groups": {"group:ops": []}}'
OLD = {
    "instance": "vpn",
    "namespace": "headscale",
    "version": "v0.28.0",
    "policy": OLD_POLICY,
    "retain": True,
    "cluster_id": "",
}
NEW = {**OLD, "version": "v0.29.3", "policy": NEW_POLICY}


@pytest.fixture
def headscale():
    with FakeHeadscale("0.28") as server:
        yield server


@pytest.fixture
def warnings(monkeypatch):
    messages: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", messages.append)
    return messages


@pytest.fixture
def upgrade(direct, headscale, warnings, monkeypatch):
    """Run the preflight of a change; takes inputs, and returns the policy that is stored afterwards."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr(preflight_module, "_CONNECT_TIMEOUT_SECONDS", 0.1)
    configuration = direct(headscale)

    def run(news, olds=OLD):
        provider = PreflightProvider()
        provider.configure(configuration)
        updated = provider.update("preflight", olds, news)
        assert (updated.outs or {}).items() >= news.items()
        return headscale.database.policy

    return run


@pytest.mark.parametrize(
    "stored", [OLD_POLICY, '{\n  // people only\n  "acls": [],\n}'], ids=["as declared", "another layout"]
)
def test_policy_is_stored_before_an_upgrade(headscale, upgrade, warnings, stored):
    headscale.database.policy = stored

    assert upgrade(NEW) == NEW_POLICY
    assert warnings == []


def test_first_policy_is_stored_before_an_upgrade(headscale, upgrade):
    assert upgrade(NEW, {**OLD, "policy": None}) == NEW_POLICY


EDITED = '{"acls": [], "hosts": {"a": "10.0.0.1"}}'


@pytest.mark.parametrize("olds", [OLD, {**OLD, "policy": None}], ids=["edited", "stored by others"])
def test_foreign_stored_policy_refuses_the_upgrade(headscale, upgrade, olds):
    """The new version reads it at start, and does not start if it refuses it."""
    headscale.database.policy = EDITED

    with pytest.raises(
        UserFacingError, match=r"is not the one of this stack.*declare `version: v0.28.0`.*up --refresh"
    ):
        upgrade(NEW, olds)
    assert headscale.database.policy == EDITED


def test_policy_of_others_is_overwritten_where_declared(headscale, upgrade):
    headscale.database.policy = EDITED

    assert upgrade({**NEW, "overwrite_policy": True}) == NEW_POLICY


@pytest.mark.parametrize("stored", ["", NEW_POLICY], ids=["none", "the new one"])
def test_own_or_default_stored_policy_is_replaced(headscale, upgrade, warnings, stored):
    headscale.database.policy = stored

    assert upgrade(NEW) == NEW_POLICY
    assert warnings == []


def test_policy_of_a_patch_release_follows_the_rollout(headscale, upgrade):
    headscale.database.policy = OLD_POLICY

    assert upgrade({**NEW, "version": "v0.28.1"}) == OLD_POLICY


def test_upgrade_without_policy_stores_none(headscale, upgrade):
    headscale.database.policy = OLD_POLICY

    assert upgrade({**NEW, "policy": None}) == OLD_POLICY


def test_refused_policy_is_a_warning(headscale, upgrade, warnings):
    headscale.database.policy = OLD_POLICY

    assert upgrade({**NEW, "policy": '{"acl": []}'}) == OLD_POLICY
    (warning,) = warnings
    assert warning.startswith("v0.28.0 does not store the declared policy (")
    assert "it is stored when v0.29.3 runs" in warning


def test_unreachable_headscale_without_pod_is_a_warning(headscale, upgrade, warnings):
    """The upgrade may be what makes it run again."""
    headscale.database.policy = OLD_POLICY
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")

    assert upgrade(NEW) == OLD_POLICY
    assert "failed to connect" in warnings[0]
    assert "there is no StatefulSet headscale/vpn" in warnings[0]


def test_pod_that_runs_unreachable_refuses_the_upgrade(api, headscale, upgrade):
    headscale.database.policy = OLD_POLICY
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing")
    workload = stateful_set()
    workload["metadata"] |= {"namespace": "headscale", "name": "vpn"}
    api.objects["/apis/apps/v1/namespaces/headscale/statefulsets/vpn"] = workload
    api.objects["/api/v1/namespaces/headscale/pods/vpn-0"] = pod(container())

    with pytest.raises(UserFacingError, match=r"v0.28.0 runs and cannot be asked for its policy.*failed to connect"):
        upgrade(NEW)
