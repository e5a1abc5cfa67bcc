"""What a preview decides about a rollout, with the cluster asked only where it looks like another one."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.errors import ClusterUnreachable
from dynamic_providers.failures import UserFacingError
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.rollout import RolloutProvider

OLD = {
    "instance": "vpn",
    "namespace": "headscale",
    "template": "a",
    "version": "v0.28.0",
    "size": "1Gi",
    "storage_class": "fast",
    "ready_timeout": "2m",
    "retain": True,
    "abandon_data": None,
    "server": "https://a",
    "claim": "u",
}


@pytest.fixture
def differences(monkeypatch):
    """Compare the old state with changed inputs; the claim that the cluster shows is `u` unless given otherwise."""
    monkeypatch.setattr("pulumi.log.warn", lambda _: None)

    def compare(claim="u", *, old=None, **changes):
        def pvc_uid(_):
            if isinstance(claim, Exception):
                raise claim
            return claim

        monkeypatch.setattr(RolloutWatcher, "pvc_uid", pvc_uid)
        provider = RolloutProvider()
        provider.configure(ConfigureRequest(Config({"headscale:instance": "vpn", "headscale:namespace": "ns"}, "p")))
        olds = {**OLD, **(old or {})}
        news = {name: value for name, value in OLD.items() if name != "claim"}
        return provider.diff("headscale/vpn/u", olds, {**news, **changes})

    return compare


def test_nothing_changed_is_no_difference(differences):
    assert not differences().changes


@pytest.mark.parametrize(
    "changes", [{"template": "b"}, {"version": "v0.28.1"}, {"size": "2Gi"}, {"ready_timeout": "3m"}]
)
def test_what_is_followed_is_an_update(differences, changes):
    found = differences(**changes)

    assert found.changes
    assert not found.replaces


def test_what_a_refresh_found_unsettled_is_an_update(differences):
    assert differences(old={"is_settled": False}).changes


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"size": "512Mi"}, "cannot shrink to 512Mi"),
        ({"storage_class": "slow"}, "cannot become `slow`"),
        ({"version": "v0.27.1"}, "goes back"),
        ({"namespace": "vpn2"}, "the data does not move: PVC headscale/data-vpn-0 stays behind"),
        ({"namespace": "vpn2", "abandon_data": "other/vpn"}, "`abandonData: headscale/vpn`"),
    ],
)
def test_what_cannot_be_is_refused(differences, changes, messages):
    with pytest.raises(UserFacingError, match=messages):
        differences(**changes)


def test_data_is_left_behind_with_consent(differences):
    found = differences(namespace="vpn2", abandon_data="headscale/vpn", size="512Mi")

    assert found.replaces == ["namespace"]


def test_other_address_of_same_pvc_is_no_change(differences):
    assert not differences(server="https://b").changes


def test_other_cluster_needs_consent(differences):
    with pytest.raises(UserFacingError, match="of the old cluster stays behind"):
        differences(None, server="https://b")
    assert differences("other", server="https://b", abandon_data="headscale/vpn").replaces


def test_other_address_without_answer_is_no_change(differences):
    assert not differences(ClusterUnreachable("no"), server="https://b").changes
