"""What the rollout's provider creates, reads, updates and deletes, on a fake Kubernetes API."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers import provider as provider_module
from dynamic_providers import rollout as rollout_module
from dynamic_providers.errors import ChannelError
from dynamic_providers.failures import UserFacingError
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.kubernetes.user_registry import REVOKE_ANNOTATION
from dynamic_providers.rollout import RolloutProvider

from .test_rollout_rules import container, pod, stateful_set

PLACE = "/namespaces/headscale"
CLAIMS = f"/api/v1{PLACE}/persistentvolumeclaims"
PVC = f"{CLAIMS}/data-vpn-0"
POD = f"/api/v1{PLACE}/pods/vpn-0"
STATEFUL_SET = f"/apis/apps/v1{PLACE}/statefulsets/vpn"
NEWS = {
    "instance": "vpn",
    "namespace": "headscale",
    "template": "a",
    "version": "v0.29.3",
    "replicas": 1.0,
    "size": "1Gi",
    "storage_class": None,
    "ready_timeout": "2m",
    "retain": True,
    "abandon_data": None,
}


@pytest.fixture
def cluster(api, monkeypatch):
    """An API server with the instance, whose pod runs, and the warnings that a person sees."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr(RolloutWatcher, "_wrong_version", lambda *_: "")
    api.warnings = []
    monkeypatch.setattr("pulumi.log.warn", api.warnings.append)
    create_pvc(api)
    api.objects[STATEFUL_SET] = stateful_set()
    api.objects[POD] = pod(container())
    return api


def create_pvc(api):
    """Create the PVC, another one each time, and return its uid."""
    api.objects.pop(PVC, None)
    spec = {"storageClassName": "fast", "volumeName": "pv", "resources": {"requests": {"storage": "1Gi"}}}
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    return api.create(CLAIMS, {"metadata": {"name": "data-vpn-0"}, "spec": spec, "status": status})["metadata"]["uid"]


@pytest.fixture
def provider(cluster):
    made, settings = RolloutProvider(), {"instance": "vpn", "namespace": "headscale", "kubeconfig": cluster.kubeconfig}
    made.configure(ConfigureRequest(Config({f"headscale:{key}": value for key, value in settings.items()}, "project")))
    return made


@pytest.fixture
def followed(monkeypatch):
    """The targets that were followed; nothing is waited for."""
    targets = []

    def wait(watcher, target):
        targets.append(target)
        return watcher.pvc_uid()

    monkeypatch.setattr(RolloutWatcher, "wait", wait)
    return targets


def test_created_rollout_is_named_after_its_pvc(cluster, provider, followed):
    uid = cluster.objects[PVC]["metadata"]["uid"]

    made = provider.create(dict(NEWS))

    assert made.id == f"headscale/vpn/{uid[:8]}"
    assert made.outs == {**NEWS, "claim": uid, "claim_class": "fast"}
    assert [(target.replicas, target.timeout_seconds) for target in followed] == [(1, 120.0)]


def test_rollout_without_pvc_is_created(cluster, provider, followed):
    del cluster.objects[PVC]

    made = provider.create(dict(NEWS))

    assert (made.id, made.outs) == ("headscale/vpn/", NEWS)


def test_check_notes_the_api_server(cluster, provider):
    assert provider.check({}, dict(NEWS)).inputs["server"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("olds", "news"),
    [({}, {"template": "b"}), ({}, {"version": "v0.29.4"}), ({}, {"size": "2Gi"}), ({"is_settled": False}, {})],
    ids=["template", "version", "size", "unsettled"],
)
def test_changed_rollout_is_followed(provider, followed, olds, news):
    outs = provider.create(dict(NEWS)).outs
    followed.clear()

    updated = provider.update("id", {**outs, **olds}, {**NEWS, **news}).outs

    assert len(followed) == 1
    assert updated == {**outs, **news}


def test_unchanged_template_is_not_followed(provider, followed):
    outs = provider.create(dict(NEWS)).outs
    followed.clear()

    updated = provider.update("id", outs, {**NEWS, "ready_timeout": "5m"}).outs

    assert (followed, updated) == ([], {**outs, "ready_timeout": "5m"})


def test_another_pvc_than_before_is_an_error(cluster, provider, followed):
    outs = provider.create(dict(NEWS)).outs
    create_pvc(cluster)

    with pytest.raises(UserFacingError, match=r"PVC headscale/data-vpn-0 is another one than before.*--refresh"):
        provider.update("id", outs, {**NEWS, "template": "b"})


def test_settled_rollout_is_read_as_it_was(cluster, provider):
    outs = {**NEWS, "claim": cluster.objects[PVC]["metadata"]["uid"], "claim_class": "fast"}

    read = provider.read("id", {**outs, "is_settled": False})

    assert (read.id, read.outs, read.inputs) == ("id", outs, NEWS)


def test_pod_that_is_not_ready_is_unsettled(cluster, provider):
    cluster.objects[POD] = pod(container(ready=False), ready=False)

    assert provider.read("id", dict(NEWS)).outs["is_settled"] is False


def test_unrevoked_keys_are_unsettled(cluster, provider):
    cluster.objects[PVC]["metadata"]["annotations"] = {REVOKE_ANNOTATION: "api-key/abc/"}

    assert provider.read("id", dict(NEWS)).outs["is_settled"] is False


def test_failed_revocation_is_a_warning(cluster, provider, followed, monkeypatch):
    def fail(_action):
        raise ChannelError("no pod")

    cluster.objects[PVC]["metadata"]["annotations"] = {REVOKE_ANNOTATION: "api-key/abc/"}
    monkeypatch.setattr(rollout_module, "retry_idempotent", fail)

    assert provider.create(dict(NEWS)).outs["claim"]
    assert cluster.warnings == ["keys that were deleted while Headscale did not run are not revoked yet: no pod"]


def test_stopped_instance_revokes_nothing(cluster, provider, followed, monkeypatch):
    cluster.objects[PVC]["metadata"]["annotations"] = {REVOKE_ANNOTATION: "api-key/abc/"}
    monkeypatch.setattr(rollout_module, "retry_idempotent", lambda _action: pytest.fail("there is no Headscale"))

    assert provider.create({**NEWS, "replicas": 0}).outs["claim"]


def delete(provider, **changes):
    provider.delete("id", {**provider.create(dict(NEWS)).outs, **changes})


def test_retained_pvc_outlives_the_rollout(cluster, provider, followed):
    delete(provider)

    assert PVC in cluster.objects


def test_pvc_without_retain_is_deleted(cluster, provider, followed):
    delete(provider, retain=False)

    assert PVC not in cluster.objects


def test_missing_pvc_counts_as_deleted(cluster, provider, followed):
    outs = {**provider.create(dict(NEWS)).outs, "retain": False}
    del cluster.objects[PVC]

    provider.delete("id", outs)


def test_pvc_of_another_uid_is_not_deleted(cluster, provider, followed):
    outs = {**provider.create(dict(NEWS)).outs, "retain": False}
    create_pvc(cluster)

    provider.delete("id", outs)

    assert PVC in cluster.objects


def test_forbidden_deletion_of_pvc_is_an_error(cluster, provider, followed):
    cluster.refuse = lambda method, _path: (403, "no") if method == "DELETE" else None

    with pytest.raises(UserFacingError, match="PVC headscale/data-vpn-0 cannot be deleted: no"):
        delete(provider, retain=False)
