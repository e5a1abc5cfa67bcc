"""Every object that the component declares, through its whole life, on each kind of storage.

One stack for each storage class. The tests of a class stand in the order of its life, and each changes all objects at
once, so that there are few updates.
"""

import json
from dataclasses import dataclass

import pytest
import yaml

from headscale_core import api_key_prefix

from .conftest import an_instance, errors, eventually, output_of, type_and_name

CLASSES = ("lab", "lab-immediate")
"""Of the lab: one that waits for the pod, as most clusters' default does, and one that binds at once."""

QUICK_SECONDS = 60
"""No command takes longer: a command that takes longer waits for a timeout."""

KUBERNETES = {
    "kubernetes:core/v1:NamespacePatch::vpn-namespace",
    "kubernetes:core/v1:ConfigMap::vpn-config",
    "kubernetes:core/v1:Secret::vpn-config-secrets",
    "kubernetes:core/v1:Service::vpn",
    "kubernetes:core/v1:Service::vpn-metrics",
    "kubernetes:core/v1:ServiceAccount::vpn",
    "kubernetes:rbac.authorization.k8s.io/v1:Role::vpn",
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding::vpn",
    "kubernetes:apps/v1:StatefulSet::vpn",
}
DYNAMIC = {
    "pulumi-python:dynamic/headscale:Rollout::vpn-rollout",
    "pulumi-python:dynamic/headscale:User::vpn-alice",
    "pulumi-python:dynamic/headscale:Policy::vpn-policy",
    "pulumi-python:dynamic/headscale:PreAuthKey::vpn-laptop",
    "pulumi-python:dynamic/headscale:ApiKey::vpn-ui-api-key",
}
STATE_ONLY = {
    "pulumi-python:dynamic/headscale:Instances::instances",
    "pulumi-python:dynamic/headscale:Preflight::vpn-preflight",
}
"""Resources with no object in the cluster."""

CONNECTION = "pulumi:providers:pulumi-python::vpn-connection"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet::vpn"


@dataclass
class Declared:
    """The settings of the one instance that the tests change."""

    version: str = "v0.28.0"
    port: int = 8080
    log_level: str = "info"
    size: str = "128Mi"
    client_secret: str = "first correct horse"
    team: str = "one"
    user: str = "alice"
    display_name: str = "Alice"
    key_expiration: str = "24h"
    api_key_expiration: str = "2160h"
    relay_maps: tuple = ()
    ready_timeout: str = "2m"

    @property
    def policy(self):
        return {"acls": [{"action": "accept", "src": [f"{self.user}@"], "dst": [f"*:{self.port}"]}]}


class Life:
    """An instance on a storage class, with what is declared of it now."""

    def __init__(self, stack, cluster, namespace, storage_class):
        self.stack, self.cluster, self.namespace, self.storage_class = stack, cluster, namespace, storage_class
        self.encrypted = {}
        self.now = Declared()

    def declare(self, **changes):
        self.now = now = Declared(**{**vars(self.now), **changes})
        renamed = {"renamedFrom": "alice"} if now.user != "alice" else {}
        claim = {"size": now.size, "storageClassName": self.storage_class}
        self.stack.declare(
            vpn=an_instance(
                self.namespace,
                namespaceLabels={"team": now.team},
                version=now.version,
                config={
                    "listen_addr": f"0.0.0.0:{now.port}",
                    "log": {"level": now.log_level},
                    "derp": {"urls": list(now.relay_maps), "server": {"enabled": True}},
                    "oidc": {
                        "issuer": "https://127.0.0.1:9",
                        "client_id": "headscale",
                        "client_secret": self._encrypted(now.client_secret),
                        "only_start_if_oidc_is_available": False,
                    },
                },
                persistentVolumeClaim=claim,
                readyTimeout=now.ready_timeout,
                apiKey={"overlap": "0s"},
                users={now.user: {"displayName": now.display_name, **renamed}},
                policy=now.policy,
                preAuthKeys={
                    "laptop": {
                        "user": now.user,
                        "expiration": now.key_expiration,
                        "secretLabels": {"team": now.team},
                    }
                },
                apiKeys={
                    "ui": {"expiration": now.api_key_expiration, "overlap": "0s", "secretLabels": {"team": now.team}}
                },
            )
        )

    def _encrypted(self, text):
        if text not in self.encrypted:
            self.stack.pulumi("config", "set", "--secret", "headscale:encrypted", text, "--stack", self.stack.name)
            self.encrypted[text] = yaml.safe_load(self.stack.file.read_text())["config"]["headscale:encrypted"]
        return self.encrypted[text]

    def get(self, kind, name):
        return self.cluster.get(kind, name, self.namespace)

    def uid(self, kind, name="vpn"):
        return self.get(kind, name)["metadata"]["uid"]

    def named(self, kind, prefix):
        """Return the names of objects whose name is a prefix with a random suffix."""
        found = (name.partition("/")[2] for name in self.cluster.names(kind, self.namespace))
        return [name for name in found if name.rpartition("-")[0] == prefix]

    def headscale(self, *arguments):
        return self.cluster.headscale("vpn", self.namespace, *arguments)

    def api_keys(self):
        """Return the prefixes of the API keys that Headscale knows."""
        listed = self.headscale("apikeys", "list")
        return {key["prefix"].removeprefix("hskey-api-").removesuffix("-***") for key in listed}

    def set_policy(self, document):
        self.cluster.kubectl(
            *("exec", "vpn-0", "-n", self.namespace, "-c", "headscale", "-i", "--"),
            *("headscale", "policy", "set", "--file", "/dev/stdin"),
            stdin=json.dumps(document),
        )


@pytest.fixture(scope="module", params=CLASSES)
def life(request, make_stack, cluster):
    storage_class = request.param
    namespace = f"e2e-objects-{storage_class}"
    life = Life(make_stack(namespace), cluster, namespace, storage_class)
    life.declare()
    return life


def assert_everything_is_as_declared(life):
    now = life.now
    labels = {"app.kubernetes.io/version": now.version, "app.kubernetes.io/instance": "vpn"}
    assert (
        json.loads(life.cluster.kubectl("get", "namespace", life.namespace, "-o", "json"))["metadata"]["labels"]["team"]
        == now.team
    )

    [config_map], [config_secret] = life.named("configmap", "vpn-config"), life.named("secret", "vpn-config-secrets")
    config = yaml.safe_load(life.get("configmap", config_map)["data"]["config.yaml"])
    assert (config["listen_addr"], config["log"]["level"]) == (f"0.0.0.0:{now.port}", now.log_level)
    assert life.cluster.secret(config_secret, life.namespace) == {"oidc.client_secret": now.client_secret}

    for name in ("vpn", "vpn-metrics"):
        assert life.get("service", name)["metadata"]["labels"].items() >= labels.items()
    ports = {port["name"]: port["port"] for port in life.get("service", "vpn")["spec"]["ports"]}
    assert ports["http"] == now.port
    account, role, binding = (life.get(kind, "vpn") for kind in ("serviceaccount", "role", "rolebinding"))
    assert account["automountServiceAccountToken"] is False
    assert ["secrets"] in [rule["resources"] for rule in role["rules"]]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "vpn", "namespace": life.namespace}]
    for value in (account, role, binding):
        assert value["metadata"]["labels"].items() >= labels.items()

    workload, pod = life.get("statefulset", "vpn"), life.get("pod", "vpn-0")
    assert workload["metadata"]["labels"].items() >= labels.items()
    assert pod["metadata"]["labels"]["controller-revision-hash"] == workload["status"]["updateRevision"]
    assert all(status["ready"] for status in pod["status"]["containerStatuses"])
    assert pod["spec"]["containers"][0]["image"].endswith(f":{now.version}")
    mounted = {volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume}
    assert mounted == {config_map}
    claim = life.get("persistentvolumeclaim", "data-vpn-0")
    assert (claim["spec"]["storageClassName"], claim["status"]["capacity"]["storage"]) == (
        life.storage_class,
        now.size,
    )

    [user], keys = life.headscale("users", "list"), life.headscale("preauthkeys", "list")
    assert (user["name"], user["display_name"]) == (now.user, now.display_name)
    secret = life.get("secret", "laptop")
    assert secret["metadata"]["labels"]["team"] == now.team
    assert [key["key"][:23] for key in keys] == [life.cluster.secret("laptop", life.namespace)["key"][:23]]
    assert [key["user"]["id"] for key in keys] == [user["id"]]
    assert life.headscale("policy", "get") == now.policy
    assert life.get("secret", "ui")["metadata"]["labels"]["team"] == now.team
    held = {
        api_key_prefix(life.cluster.secret(name, life.namespace)["api-key"]) for name in ("ui", "headscale-api-key")
    }
    # The sidecar revokes superseded API keys in its next reconcile.
    eventually("no other API key is left", lambda: life.api_keys() == held, seconds=20)


def test_first_up_creates_every_object(life):
    planned = life.stack.plan()
    life.stack.up()

    resources = {type_and_name(value["urn"]) for value in life.stack.export()["deployment"]["resources"]}
    assert planned["create"] >= KUBERNETES | DYNAMIC | {CONNECTION}
    assert {
        value for value in resources - STATE_ONLY if value.startswith(("kubernetes:", "pulumi-python:"))
    } == KUBERNETES | DYNAMIC
    assert CONNECTION in resources
    assert_everything_is_as_declared(life)


def test_second_up_has_no_changes(life):
    kinds = "configmap,secret,service,serviceaccount,role,rolebinding,statefulset,pod,persistentvolumeclaim"

    def what_is_there():
        items = json.loads(life.cluster.kubectl("get", kinds, "-n", life.namespace, "-o", "json"))["items"]
        # Controllers write the status of an object, and with it its resourceVersion.
        return [
            {**value, "status": None, "metadata": {**value["metadata"], "resourceVersion": None}} for value in items
        ]

    before = what_is_there()
    life.stack.up("--expect-no-changes")

    assert what_is_there() == before


def test_change_in_place_updates_every_object(life):
    before = {kind: life.uid(kind) for kind in ("statefulset", "service", "serviceaccount", "role", "rolebinding")}
    claim, user = life.uid("persistentvolumeclaim", "data-vpn-0"), life.headscale("users", "list")[0]["id"]
    life.declare(version="v0.29.3", port=8090, size="256Mi", team="two", user="alicia")
    planned = life.stack.plan()
    life.stack.up()

    # The configuration changes with the port, and the ConfigMap is immutable.
    replaced = {"kubernetes:core/v1:ConfigMap::vpn-config"}
    renamed = {value.replace("vpn-alice", "vpn-alicia") for value in DYNAMIC}
    assert planned["update"] >= (KUBERNETES | renamed) - replaced
    assert planned["replace"] == replaced
    assert {kind: life.uid(kind) for kind in before} == before
    assert life.uid("persistentvolumeclaim", "data-vpn-0") == claim
    assert life.headscale("users", "list")[0]["id"] == user
    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def test_replacement_exists_before_the_original_is_deleted(life):
    workload, key = life.uid("statefulset"), life.cluster.secret("laptop", life.namespace)["key"]
    api_key = life.cluster.secret("ui", life.namespace)["api-key"]
    life.declare(
        log_level="debug",
        client_secret="second correct horse",
        display_name="Alicia",
        key_expiration="48h",
        api_key_expiration="1000h",
    )
    planned = life.stack.plan()
    output = life.stack.up().stdout

    assert planned["replace"] == {
        "kubernetes:core/v1:ConfigMap::vpn-config",
        "kubernetes:core/v1:Secret::vpn-config-secrets",
        "pulumi-python:dynamic/headscale:User::vpn-alicia",
        "pulumi-python:dynamic/headscale:PreAuthKey::vpn-laptop",
    }
    assert STATEFUL_SET in planned["update"]
    for name in ("vpn-config", "vpn-config-secrets"):
        lines = [line for line in output.splitlines() if f" {name} " in line]
        made = next(index for index, line in enumerate(lines) if "created replacement" in line)
        gone = next(index for index, line in enumerate(lines) if "deleted original" in line)
        assert made < gone
    assert output.index("vpn-rollout updated") < output.index("vpn-config deleted original")
    assert life.uid("statefulset") == workload
    assert life.cluster.secret("laptop", life.namespace)["key"] != key
    assert life.cluster.secret("ui", life.namespace)["api-key"] != api_key
    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def test_drift_is_repaired_by_up_with_refresh(life):
    [config_map], [config_secret] = life.named("configmap", "vpn-config"), life.named("secret", "vpn-config-secrets")
    key = life.headscale("preauthkeys", "list")[0]
    api_key = api_key_prefix(life.cluster.secret("ui", life.namespace)["api-key"])
    by_hand = ["-n", life.namespace]
    life.headscale("preauthkeys", "expire", "--id", str(key["id"]))
    life.headscale("apikeys", "delete", "--prefix", api_key)
    life.headscale("users", "rename", "--identifier", str(key["user"]["id"]), "--new-name", "mallory")
    life.set_policy({"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]})
    for edit in (
        ["set", "env", "statefulset/vpn", "--containers=headscale", "EDITED=1", *by_hand],
        ["rollout", "status", "statefulset/vpn", "--timeout=60s", *by_hand],
        ["label", "namespace", life.namespace, "team=mallory", "--overwrite"],
        ["label", "service", "vpn", "app.kubernetes.io/version=edited", "--overwrite", *by_hand],
        ["patch", "serviceaccount", "vpn", *by_hand, "-p", '{"automountServiceAccountToken": true}'],
        ["patch", "role", "vpn", *by_hand, "--type=merge", "-p", '{"rules": []}'],
        ["label", "secret", "laptop", "team=mallory", "--overwrite", *by_hand],
        ["delete", "service", "vpn-metrics", *by_hand],
        ["delete", "rolebinding", "vpn", *by_hand],
        ["delete", "configmap", config_map, *by_hand],
        ["delete", "secret", config_secret, *by_hand],
    ):
        life.cluster.kubectl(*edit)

    life.stack.up("--refresh")

    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def test_deleted_workload_is_recreated(life):
    claim = life.uid("persistentvolumeclaim", "data-vpn-0")
    life.cluster.kubectl("delete", "statefulset", "vpn", "-n", life.namespace)

    life.stack.up("--refresh")

    assert life.uid("persistentvolumeclaim", "data-vpn-0") == claim
    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def test_workload_scaled_to_zero_is_scaled_up(life):
    scale = ("scale", "statefulset", "vpn", "-n", life.namespace)
    life.cluster.kubectl(*scale, "--replicas=0")
    life.cluster.kubectl("wait", "--for=delete", "pod/vpn-0", "-n", life.namespace, "--timeout=60s")
    # What lives in Headscale cannot be looked at while it does not run, so the refresh is held to what does.
    life.stack.refresh("--target", "**StatefulSet::vpn", "--target", "**Rollout::vpn-rollout")
    life.stack.up()

    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def test_crash_loop_fails_with_the_container_log(life):
    # A DERP map that cannot be fetched, which only shows when Headscale starts. No user and no key changes.
    life.declare(relay_maps=("http://127.0.0.1:9/map",), ready_timeout="25s")
    run = life.stack.up(check=False)

    assert len(errors(run)) == 1
    assert run.returncode != 0
    assert "container `headscale` of pod" in output_of(run)
    assert "crashes (exit code 1)" in output_of(run)
    assert "http://127.0.0.1:9/map" in output_of(run)
    assert "Traceback" not in output_of(run)


def test_update_after_crash_loop_repairs(life):
    life.declare(relay_maps=(), ready_timeout="2m")
    life.stack.up()

    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": "128Mi"}, "has 256Mi and cannot shrink to 128Mi"),
        ({"storageClassName": "another"}, "cannot become `another`: the class of a PVC is fixed"),
    ],
)
def test_immutable_pvc_change_is_refused_in_preview(life, change, reason):
    before = life.get("persistentvolumeclaim", "data-vpn-0")["spec"]
    file = yaml.safe_load(life.stack.file.read_text())
    file["config"]["headscale:instances"]["vpn"]["persistentVolumeClaim"].update(change)
    life.stack.file.write_text(yaml.safe_dump(file))
    preview, up = life.stack.preview(check=False), life.stack.up(check=False)
    life.declare()

    for run in (preview, up):
        assert run.returncode != 0
        assert f"PVC {life.namespace}/data-vpn-0 " in output_of(run)
        assert reason in output_of(run)
        assert "Traceback" not in output_of(run)
        assert len(errors(run)) == 1
    assert life.get("persistentvolumeclaim", "data-vpn-0")["spec"] == before
    life.stack.up("--expect-no-changes")


def test_object_of_killed_run_is_adopted(life):
    """An object that a killed run created is in the cluster and not in the state."""
    forgotten = {value for value in KUBERNETES if value.endswith("::vpn")}
    before = {kind: life.uid(kind) for kind in ("statefulset", "service", "serviceaccount", "role", "rolebinding")}
    state = life.stack.export()
    deployment = state["deployment"]
    lost = {value["urn"] for value in deployment["resources"] if type_and_name(value["urn"]) in forgotten}
    deployment["resources"] = [_without(lost, value) for value in deployment["resources"] if value["urn"] not in lost]
    file = life.stack.directory / "state.json"
    file.write_text(json.dumps(state))
    life.stack.pulumi("stack", "import", "--file", str(file), "--stack", life.stack.name)

    life.stack.up()

    assert {kind: life.uid(kind) for kind in before} == before
    assert_everything_is_as_declared(life)
    life.stack.preview("--expect-no-changes")


def _without(urns, resource):
    kept = {**resource, "dependencies": [urn for urn in resource.get("dependencies", ()) if urn not in urns]}
    kept.pop("deletedWith", None)
    kept["propertyDependencies"] = {
        name: [urn for urn in value or () if urn not in urns]
        for name, value in resource.get("propertyDependencies", {}).items()
    }
    return kept


def test_preview_without_cluster_prints_the_plan(life, unreachable_kubeconfig):
    life.declare(log_level="warn")
    planned = life.stack.plan(KUBECONFIG=str(unreachable_kubeconfig))
    life.declare(log_level="debug")

    assert "kubernetes:core/v1:ConfigMap::vpn-config" in planned["replace"]
    assert STATEFUL_SET in planned["update"]


def test_state_and_output_contain_no_secret(life):
    everything = json.dumps(life.stack.export()) + "".join(life.stack.command_outputs)
    secrets = [
        "correct horse",
        life.cluster.secret("laptop", life.namespace)["key"],
        life.cluster.secret("ui", life.namespace)["api-key"],
        life.cluster.secret("headscale-api-key", life.namespace)["api-key"],
    ]

    assert [secret for secret in secrets if secret in everything] == []


def test_destroy_keeps_only_namespace_and_pvc(life):
    life.stack.destroy()

    eventually(
        "only what is retained is left",
        lambda: (
            life.cluster.names(
                "configmap,secret,service,serviceaccount,role,rolebinding,statefulset,pod,persistentvolumeclaim",
                life.namespace,
            )
            == {
                "configmap/kube-root-ca.crt",
                "serviceaccount/default",
                "persistentvolumeclaim/data-vpn-0",
            }
        ),
    )


def test_commands_never_wait_for_a_timeout(life):
    print(life.storage_class, life.stack.durations)

    assert [value for value in life.stack.durations if value[1] > QUICK_SECONDS] == []
