"""Clusters with an instance of one name, and the providers that are configured for one: what several modules share."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers import provider as provider_module
from dynamic_providers.failures import DROP_VARIABLE
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.preflight import PreflightProvider

from .test_rollout_lifecycle import NEWS, POD, STATEFUL_SET, create_pvc
from .test_rollout_rules import container, pod, stateful_set

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
SECRETS = "/api/v1/namespaces/headscale/secrets"


def with_instance(api, cluster_id):
    """Put an instance that runs into a cluster, and return its PVC's uid."""
    api.objects[KUBE_SYSTEM] = {"metadata": {"uid": cluster_id}}
    api.objects[SECRETS] = {"metadata": {}, "items": []}
    api.objects[STATEFUL_SET] = stateful_set()
    api.objects[POD] = pod(container())
    return create_pvc(api)


@pytest.fixture(autouse=True)
def another_process(monkeypatch):
    """Begin as a process does: with no channel, no warning shown, and no consent to drop what cannot be reached."""
    monkeypatch.setattr(provider_module, "_channels", {})
    monkeypatch.setattr(RolloutWatcher, "_wrong_version", lambda *_: "")
    monkeypatch.setattr("pulumi.log.warn", lambda _: None)
    monkeypatch.delenv(DROP_VARIABLE, raising=False)


def provider(kind, api, **changes):
    settings = {"instance": "vpn", "namespace": "headscale", "kubeconfig": api.kubeconfig, **changes}
    made = kind()
    made.configure(ConfigureRequest(Config({f"headscale:{key}": value for key, value in settings.items()}, "p")))
    return made


def changes_in(api):
    return [method for method, _ in api.asked if method != "GET"]


@pytest.fixture
def known(api):
    """The preflight's state of an instance in its own cluster, for the process of the next command."""
    with_instance(api, "11111111-1111")
    outs = provider(PreflightProvider, api).create({**NEWS, "policy": None}).outs
    provider_module._channels.clear()
    return outs
