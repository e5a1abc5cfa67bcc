"""What is refused before any object of an instance changes."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.failures import UserFacingError
from dynamic_providers.preflight import PreflightProvider
from headscale_core.rollout.pvc import SERVED_VERSION

OLD = {
    "instance": "vpn",
    "namespace": "headscale",
    "version": "v0.28.0",
    "policy": None,
    "retain": True,
    "size": "1Gi",
    "cluster_id": "",
}
PVC = "/api/v1/namespaces/headscale/persistentvolumeclaims/data-vpn-0"
CLUSTER = "/api/v1/namespaces/kube-system"


def a_provider(kubeconfig=None):
    provider = PreflightProvider()
    settings = {"headscale:instance": "vpn", "headscale:namespace": "headscale"}
    provider.configure(
        ConfigureRequest(Config(settings | ({"headscale:kubeconfig": kubeconfig} if kubeconfig else {}), "p"))
    )
    return provider


def difference(**changes):
    return a_provider().diff("preflight", OLD, {**OLD, **changes})


def a_pvc(size="1Gi", storage_class="fast", served=None, volume="pv-1"):
    return {
        "metadata": {"uid": "u", "annotations": {SERVED_VERSION: served} if served else {}},
        "spec": {
            "storageClassName": storage_class,
            "volumeName": volume,
            "resources": {"requests": {"storage": size}},
        },
        "status": {"phase": "Bound" if volume else "Pending", "capacity": {"storage": size} if volume else {}},
    }


@pytest.mark.parametrize(
    "changes", [{"namespace": "vpn2"}, {"instance": "b"}, {"namespace": "b", "abandon_data": "b/vpn"}]
)
def test_move_without_consent_is_refused(changes):
    with pytest.raises(UserFacingError, match="`abandonData: headscale/vpn`"):
        difference(**changes)


def test_move_with_consent_is_an_update():
    assert difference(namespace="vpn2", abandon_data="headscale/vpn").changes


def test_nothing_changed_is_no_difference():
    assert not difference().changes
    assert difference(version="v0.29.3").changes


@pytest.mark.parametrize(
    ("claim", "changes", "reason"),
    [
        (a_pvc("2Gi"), {}, "cannot shrink to 1Gi"),
        (a_pvc(), {"storage_class": "slow"}, "is of storage class `fast` and cannot become `slow`"),
        (a_pvc(served="v0.29.3"), {}, "version v0.28.0 after v0.29.3 goes back"),
        (a_pvc(served="v0.27.1"), {"version": "v0.29.3"}, "version v0.29.3 after v0.27.1 skips 0.28"),
    ],
)
def test_pvc_that_cannot_serve_is_refused(api, claim, changes, reason):
    api.objects[PVC] = claim
    provider, news = a_provider(api.kubeconfig), {**OLD, **changes}

    with pytest.raises(UserFacingError, match=reason):
        provider.update("preflight", OLD, news)
    with pytest.raises(UserFacingError, match=reason):
        provider.create(news)


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        (a_pvc(served="v0.28.0"), {"version": "v0.29.3"}),
        (a_pvc(), {"size": "4Gi"}),
        (a_pvc("2Gi", "slow", volume=None), {"storage_class": "fast"}),
        (None, {}),
    ],
)
def test_pvc_that_can_serve_is_accepted(api, claim, changes):
    if claim:
        api.objects[PVC] = claim

    outs = a_provider(api.kubeconfig).create({**OLD, **changes}).outs

    assert outs["cluster_id"] == ""


def in_cluster(api, uid):
    api.objects[CLUSTER] = {"metadata": {"uid": uid}}
    return a_provider(api.kubeconfig)


def test_other_cluster_is_refused_in_diff(api):
    old = in_cluster(api, "one").create(OLD).outs
    moved = {**old, "server": "https://elsewhere.example.com"}
    provider = in_cluster(api, "two")

    with pytest.raises(UserFacingError, match=r"of the old cluster stays behind .* write `abandonData: headscale/vpn`"):
        provider.diff("preflight", moved, OLD)
    assert provider.diff("preflight", moved, {**OLD, "abandon_data": "headscale/vpn"}).changes


def test_consent_of_earlier_update_does_not_count(api):
    consent = {**OLD, "abandon_data": "headscale/vpn"}
    old = {**in_cluster(api, "one").create(consent).outs, "server": "https://elsewhere.example.com"}

    with pytest.raises(UserFacingError, match="does not count, for an earlier update had it already"):
        in_cluster(api, "two").diff("preflight", old, consent)


def test_other_address_of_same_cluster_is_no_change(api):
    provider = in_cluster(api, "one")
    old = {**provider.create(OLD).outs, "server": "https://elsewhere.example.com"}

    assert not provider.diff("preflight", old, OLD).changes


def test_state_without_cluster_gets_one(api):
    provider = in_cluster(api, "one")
    old = {name: value for name, value in OLD.items() if name != "cluster_id"}

    assert provider.diff("preflight", old, OLD).changes
    assert provider.update("preflight", old, OLD).outs["cluster_id"] == "one"


def with_pvc(api, uid):
    api.objects[PVC] = {**a_pvc(), "metadata": {"uid": uid}}
    return a_provider(api.kubeconfig)


@pytest.mark.parametrize("found", ["two", None], ids=["another PVC", "no PVC"])
def test_another_pvc_identifies_clusters_without_id(api, found):
    """Who has rights in one namespace may not read kube-system."""
    old = {**with_pvc(api, "one").create(OLD).outs, "server": "https://elsewhere.example.com"}
    assert (old["cluster_id"], old["claim"]) == ("", "one")
    provider = with_pvc(api, found)
    if found is None:
        del api.objects[PVC]

    with pytest.raises(UserFacingError, match=r"of the old cluster stays behind .* write `abandonData: headscale/vpn`"):
        provider.diff("preflight", old, OLD)
    assert provider.diff("preflight", old, {**OLD, "abandon_data": "headscale/vpn"}).changes


def test_same_pvc_at_another_address_is_no_change(api):
    provider = with_pvc(api, "one")
    old = {**provider.create(OLD).outs, "server": "https://elsewhere.example.com"}

    assert not provider.diff("preflight", old, OLD).changes


def test_unreadable_pvc_is_no_change(api):
    provider = with_pvc(api, "one")
    old = {**provider.create(OLD).outs, "server": "https://elsewhere.example.com"}
    api.refuse = lambda _, path: (403, "no") if path == PVC else None

    assert not provider.diff("preflight", old, OLD).changes


def test_refresh_adds_pvc_created_later(api):
    old = a_provider(api.kubeconfig).create(OLD).outs
    assert old["claim"] == ""

    read = with_pvc(api, "one").read("preflight", old)

    assert (read.outs["claim"], read.inputs) == ("one", {key: OLD[key] for key in OLD if key != "cluster_id"})


def test_refresh_of_known_cluster_asks_nothing_more(api):
    provider = in_cluster(api, "one")
    old = provider.create(OLD).outs
    api.asked.clear()

    assert provider.read("preflight", old).outs == old
    assert api.asked == []
