"""The rules of the official Kubernetes provider, through the engine against the cluster.

Written against the project's notes on the official provider, whose sections each test names. They hold for the official
one and for the lab's stand-in, so they run with whichever is in use.
"""

import json
import re
import sys
import uuid

import pytest
import yaml

from .conftest import Stack

NAMESPACE = "e2e-provider"
PROGRAM = """
import json
import pulumi
import pulumi_kubernetes as k8s

KINDS = {
    "Namespace": k8s.core.v1.Namespace,
    "ConfigMap": k8s.core.v1.ConfigMap,
    "ConfigMapPatch": k8s.core.v1.ConfigMapPatch,
    "Secret": k8s.core.v1.Secret,
    "Service": k8s.core.v1.Service,
    "StatefulSet": k8s.apps.v1.StatefulSet,
}
made = {}
for name, its in json.load(open("objects.json")).items():
    args = its["args"]
    if source := its.get("uses"):
        args["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] = made[source].metadata["name"]
    options = its.get("options", {})
    options["depends_on"] = [made[other] for other in options.pop("after", [])]
    made[name] = KINDS[its["kind"]](name, opts=pulumi.ResourceOptions(**options), **args)
    pulumi.export(name, {"uid": made[name].metadata.uid, "id": made[name].id})
"""


class Objects(Stack):
    """A stack whose resources are named in a file."""

    def declare(self, **objects):
        (self.directory / "objects.json").write_text(json.dumps(objects))

    def configure(self, **flags):
        config = {f"kubernetes:{name}": value for name, value in flags.items()}
        kept = yaml.safe_load(self.file.read_text()) or {}
        self.file.write_text(yaml.safe_dump({**kept, "config": config}))

    @property
    def file(self):
        return self.directory / f"Pulumi.{self.name}.yaml"

    def resource(self, name):
        return next(its for its in self.export()["deployment"]["resources"] if its["urn"].endswith(f"::{name}"))


@pytest.fixture(scope="module", autouse=True)
def _namespace(cluster):
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def stack(tmp_path, environment):
    project = {"name": "objects", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "objects.json").write_text("{}")
    # Nothing is destroyed test by test: the namespace takes all objects with it in the end.
    return Objects.of(tmp_path, environment, f"p{uuid.uuid4().hex[:8]}")


@pytest.fixture
def name():
    return f"o{uuid.uuid4().hex[:8]}"


def config_map(name=None, data=None, **metadata):
    named = {"name": name} if name else {}
    return {
        "kind": "ConfigMap",
        "args": {"metadata": {"namespace": NAMESPACE, **named, **metadata}, "data": data or {"k": "1"}},
    }


def stateful_set(name, volume="unused", **spec):
    pod = {"containers": [{"name": "c", "image": "nothing", "command": ["true"]}]}
    pod["volumes"] = [{"name": "v", "configMap": {"name": volume}}]
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    whole = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "serviceName": name, "template": template}
    return {
        "kind": "StatefulSet",
        "args": {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": {**whole, **spec}},
    }


def said(run):
    return run.stdout + run.stderr


def test_a_create_never_adopts_what_is_there(stack, cluster, name):
    """0 rule 1, 6.1."""
    cluster.kubectl("create", "configmap", name, "-n", NAMESPACE, "--from-literal=mine=1")
    stack.declare(a=config_map(name))

    preview = stack.preview()
    run = stack.up(check=False)

    assert f'Retry #0; creation failed: configmaps "{name}" already exists' in said(preview)
    assert run.returncode != 0
    assert f'was not successfully created by the Kubernetes API server: configmaps "{name}" already exists' in said(run)
    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"mine": "1"}


def test_upsert_takes_over_what_agrees_and_stops_at_somebody_elses_value(stack, cluster, name):
    """6.1: an apply without force."""
    stack.configure(upsertExistingObjects="true")
    cluster.kubectl("create", "configmap", name, "-n", NAMESPACE, "--from-literal=k=theirs")
    stack.declare(a=config_map(name, {"k": "ours"}))
    refused = stack.up(check=False)
    stack.declare(a=config_map(name, {"other": "ours"}))

    stack.up()

    assert refused.returncode != 0
    assert "conflict" in said(refused)
    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"k": "theirs", "other": "ours"}


def test_managers_are_named_as_the_official_one_names_them(stack, cluster, name):
    """0 rule 1, 1.2: an update entry by the create, an apply entry with a suffix by the first update."""

    def managers():
        live = cluster.kubectl("get", "configmap", name, "-n", NAMESPACE, "-o", "json", "--show-managed-fields")
        return {(its["manager"], its["operation"]) for its in json.loads(live)["metadata"]["managedFields"]}

    stack.declare(a=config_map(name))
    stack.up()
    created = managers()
    stack.declare(a=config_map(name, labels={"x": "y"}))
    stack.up()

    assert created == {("pulumi-kubernetes", "Update")}
    assert managers() == {(stack.resource("a")["outputs"]["__fieldManager"], "Apply")}


def test_a_preview_invents_what_only_the_server_knows(stack, name):
    """0 rule 3, 11: a known uid of the dry run, another one than the real one; the id stays unknown."""
    stack.declare(a=config_map(name))
    shown = stack.preview().stdout
    stack.up()

    invented = re.search(r'uid *: "([0-9a-f-]{36})"', shown)
    assert invented
    assert invented[1] != stack.output("a")["uid"]
    assert re.search(r"id *: \[unknown\]", shown)


def test_a_namespace_is_imported_clean(stack, cluster, name):
    """6.2."""
    cluster.kubectl("create", "namespace", name)
    metadata = {"name": name}
    its = {"kind": "Namespace", "args": {"metadata": metadata}, "options": {"import_": name, "retain_on_delete": True}}
    stack.declare(a=its)
    stack.up()
    stack.declare(a={**its, "options": {"retain_on_delete": True}})

    stack.preview("--expect-no-changes")
    assert stack.output("a")["id"] == name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_an_imported_object_whose_data_would_replace_it_is_refused(stack, cluster, name):
    """6.2: what kubectl created says nothing of its data, which then differs, and replaces."""
    cluster.kubectl("create", "configmap", name, "-n", NAMESPACE, "--from-literal=k=1")
    stack.declare(a={**config_map(name), "options": {"import_": f"{NAMESPACE}/{name}", "retain_on_delete": True}})

    run = stack.up(check=False)

    assert run.returncode != 0
    assert "may not be replaced" in said(run)
    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"k": "1"}


def test_a_dry_run_makes_a_preview_refuse_what_the_server_refuses(stack, name):
    """0 rule 2: a validation error fails the preview."""
    stack.declare(a=config_map(name, {"bad key!": "1"}))

    run = stack.preview(check=False)

    assert run.returncode != 0
    assert "bad key!" in said(run)


def test_a_namespace_that_is_missing_is_no_word_in_a_preview(stack, name):
    """8: no hint before up."""
    its = config_map(name)
    its["args"]["metadata"]["namespace"] = "e2e-nowhere"
    stack.declare(a=its)

    assert stack.planned() == {("create", "a"), ("create", f"objects-{stack.name}")}


def test_changed_data_replaces_and_the_old_one_goes_first_where_the_name_is_explicit(stack, cluster, name):
    """0 rule 4, 2.1, 2.2."""
    stack.declare(a=config_map(name))
    stack.up()
    before = cluster.get("configmap", name, NAMESPACE)["metadata"]["uid"]
    stack.declare(a=config_map(name, {"k": "2"}))

    planned = stack.planned()
    stack.up()

    assert planned == {("replace", "a")}
    after = cluster.get("configmap", name, NAMESPACE)
    assert after["metadata"]["uid"] != before
    assert after["data"] == {"k": "2"}


def test_an_autonamed_one_is_made_anew_before_the_old_one_goes(stack, cluster):
    """0 rules 4 and 10, 1 "Autonaming"."""
    stack.declare(a=config_map())
    stack.up()
    before = stack.resource("a")["outputs"]["metadata"]["name"]
    stack.declare(a=config_map(data={"k": "2"}))
    told = stack.up().stdout

    after = stack.resource("a")["outputs"]["metadata"]["name"]
    assert 0 < told.index("created replacement") < told.index("deleted original")
    assert before != after
    assert before.startswith("a-")
    assert not cluster.exists("configmap", before, NAMESPACE)
    live = cluster.get("configmap", after, NAMESPACE)["metadata"]
    assert live["annotations"] == {"pulumi.com/autonamed": "true"}
    assert "labels" not in live


def test_mutable_config_maps_keep_their_identity(stack, cluster, name):
    """2.2 with enableConfigMapMutable."""
    stack.configure(enableConfigMapMutable="true")
    stack.declare(a=config_map(name, {"k": "1", "old": "1"}))
    stack.up()
    before = cluster.get("configmap", name, NAMESPACE)["metadata"]["uid"]
    stack.declare(a=config_map(name, {"k": "2"}))
    stack.up()

    after = cluster.get("configmap", name, NAMESPACE)
    assert after["metadata"]["uid"] == before
    assert after["data"] == {"k": "2"}


def test_a_set_that_uses_the_name_of_a_replaced_object_is_replaced_with_it(stack, name):
    """0 rule 5, 2.3 second row: the most damaging default."""
    objects = {"a": config_map(name), "s": {**stateful_set(name), "uses": "a"}}
    stack.declare(**objects)
    stack.up()
    stack.declare(**{**objects, "a": config_map(name, {"k": "2"})})

    assert ("replace", "s") in stack.planned()


def test_a_set_with_a_literal_name_is_left_alone(stack, name):
    """2.3 fourth row."""
    objects = {"a": config_map(name), "s": {**stateful_set(name, volume=name), "options": {"after": ["a"]}}}
    stack.declare(**objects)
    stack.up()
    stack.declare(**{**objects, "a": config_map(name, {"k": "2"})})

    assert not {step for step in stack.planned() if step[1] == "s"}


def test_a_set_that_uses_the_name_of_an_autonamed_object_is_updated(stack):
    """2.3 third row."""
    its = f"o{uuid.uuid4().hex[:8]}"
    objects = {"a": config_map(), "s": {**stateful_set(its), "uses": "a"}}
    stack.declare(**objects)
    stack.up()
    stack.declare(**{**objects, "a": config_map(data={"k": "2"})})

    assert {step for step in stack.planned() if step[1] == "s"} == {("update", "s")}


@pytest.mark.parametrize(
    ("change", "operation"),
    [
        ({"replicas": 0, "minReadySeconds": 3}, "update"),
        ({"serviceName": "another"}, "replace"),
        ({"podManagementPolicy": "Parallel"}, "replace"),
    ],
)
def test_which_changes_of_a_set_replace_it(stack, name, change, operation):
    """3.3."""
    stack.declare(s=stateful_set(name))
    stack.up()
    stack.declare(s=stateful_set(name, **change))

    assert (operation, "s") in stack.planned()


def test_what_happened_in_the_cluster_is_invisible_until_a_refresh(stack, cluster, name):
    """0 rule 6, 9: a deletion by hand."""
    stack.declare(a=config_map(name))
    stack.up()
    cluster.kubectl("delete", "configmap", name, "-n", NAMESPACE)

    stack.preview("--expect-no-changes")
    stack.declare(a=config_map(name, labels={"x": "y"}))
    refused = stack.up(check=False)
    stack.up("--refresh")

    assert refused.returncode != 0
    assert f'configmaps "{name}" not found' in said(refused)
    assert cluster.exists("configmap", name, NAMESPACE)


def test_a_value_edited_by_hand_is_put_back_by_an_up_with_refresh(stack, cluster, name):
    """9 "managed field edited"."""
    stack.configure(enableConfigMapMutable="true")
    stack.declare(a=config_map(name))
    stack.up()
    cluster.kubectl("patch", "configmap", name, "-n", NAMESPACE, "-p", '{"data": {"k": "edited"}}')

    stack.up("--expect-no-changes")
    stack.up("--refresh")

    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"k": "1"}


def test_what_kubectl_added_goes_with_the_next_update(stack, cluster, name):
    """1.2: fields of kubectl are taken over, and then removed as not declared."""
    stack.configure(enableConfigMapMutable="true")
    stack.declare(a=config_map(name))
    stack.up()
    cluster.kubectl("patch", "configmap", name, "-n", NAMESPACE, "-p", '{"data": {"added": "1"}}')
    stack.declare(a=config_map(name, {"k": "2"}))
    stack.up()

    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"k": "2"}


def test_a_conflict_with_another_applier_fails_and_force_takes_it(stack, cluster, name, tmp_path):
    """6.3."""
    stack.configure(enableConfigMapMutable="true")
    stack.declare(a=config_map(name))
    stack.up()
    stack.declare(a=config_map(name, {"k": "2"}))
    stack.up()
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "theirs"}}
    file = tmp_path / "theirs.yaml"
    file.write_text(json.dumps(theirs))
    applied = ["apply", "--server-side", "--force-conflicts", "--field-manager=them"]
    cluster.kubectl(*applied, "-n", NAMESPACE, "-f", str(file))
    stack.declare(a=config_map(name, {"k": "3"}))
    refused = stack.up(check=False)
    stack.declare(a=config_map(name, {"k": "3"}, annotations={"pulumi.com/patchForce": "true"}))
    stack.up()

    assert refused.returncode != 0
    assert "conflict" in said(refused)
    assert cluster.get("configmap", name, NAMESPACE)["data"] == {"k": "3"}


def test_a_set_that_does_not_become_ready_is_kept_in_state_and_waited_for_again(stack, cluster, name):
    """0 rule 7, 3.1, 3.2."""
    broken = stateful_set(name, replicas=1)
    broken["args"]["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "3"}
    broken["args"]["spec"]["template"]["spec"]["volumes"] = []
    stack.declare(s=broken, after={**config_map(), "options": {"after": ["s"]}}, beside=config_map())

    run = stack.up(check=False)

    assert run.returncode != 0
    assert f"failed to fully initialize or become live: '{name}' timed out waiting to be Ready" in said(run)
    assert "0 out of 1 replicas succeeded readiness checks" in said(run)
    assert stack.resource("s")["initErrors"]
    assert cluster.exists("statefulset", name, NAMESPACE)
    names = {its["urn"].rpartition("::")[2] for its in stack.export()["deployment"]["resources"]}
    assert "beside" in names
    assert "after" not in names
    assert ("update", "s") in stack.planned()


def test_deleting_what_is_gone_already_is_a_success(stack, cluster, name):
    """0 rule 8, 10."""
    stack.declare(a=config_map(name))
    stack.up()
    cluster.kubectl("delete", "configmap", name, "-n", NAMESPACE)

    stack.destroy()


def test_a_secret_is_secret_as_a_whole_whatever_the_program_said(stack, cluster, name):
    """0 rule 9, 7."""
    text = "correct horse battery staple"
    args = {"metadata": {"namespace": NAMESPACE, "name": name}, "string_data": {"k": text}}
    stack.declare(a={"kind": "Secret", "args": args})
    shown = said(stack.preview("--diff")) + said(stack.up()) + said(stack.refresh())
    state = json.dumps(stack.export())

    assert cluster.secret(name, NAMESPACE) == {"k": text}
    for form in (text, "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="):
        assert form not in shown
        assert form not in state
    assert "stringData" not in stack.resource("a")["inputs"]
    assert set(stack.resource("a")["additionalSecretOutputs"]) == {"data", "stringData"}


def test_state_holds_what_the_program_sent_and_the_live_object(stack, name):
    """1.1."""
    stack.declare(a=config_map(name))
    stack.up()
    its = stack.resource("a")

    assert its["id"] == f"{NAMESPACE}/{name}"
    assert its["inputs"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "data": {"k": "1"},
    }
    assert its["outputs"]["metadata"]["uid"]
    assert its["outputs"]["__inputs"] == its["inputs"]
    assert its["outputs"]["__initialApiVersion"] == "v1"


def test_a_generated_name_is_refused(stack):
    """1."""
    its = config_map()
    its["args"]["metadata"]["generateName"] = "x-"
    stack.declare(a=its)

    run = stack.preview(check=False)

    assert "the `.metadata.generateName` field is not supported in Server-Side Apply mode" in said(run)


def test_a_patch_is_applied_without_a_dry_run_and_cannot_be_taken_back(stack, cluster, name):
    """5, last table; `retain_on_delete` is the way out."""
    cluster.kubectl("create", "configmap", name, "-n", NAMESPACE, "--from-literal=theirs=1")
    patch = {**config_map(name, {"ours": "1"}), "kind": "ConfigMapPatch", "options": {"retain_on_delete": True}}
    stack.declare(a=patch)
    stack.up()
    patched = cluster.get("configmap", name, NAMESPACE)["data"]
    stack.destroy()

    assert patched == {"theirs": "1", "ours": "1"}
    assert cluster.exists("configmap", name, NAMESPACE)


def test_a_port_that_changes_in_the_first_update_fails_the_preview_and_not_the_update(stack, cluster, name):
    """4: a dry run does not move the ownership of what the create wrote. A headless Service is not waited for."""

    def service(port):
        spec = {"clusterIP": "None", "selector": {"app": name}, "ports": [{"name": "http", "port": port}]}
        return {"kind": "Service", "args": {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}}

    stack.declare(a=service(80))
    stack.up()
    stack.declare(a=service(81))

    preview = stack.preview(check=False)
    stack.up()

    assert preview.returncode != 0
    assert "Duplicate value" in said(preview)
    assert [port["port"] for port in cluster.get("service", name, NAMESPACE)["spec"]["ports"]] == [81]


def test_a_cluster_that_is_gone_shows_in_up_and_refresh_and_not_in_a_preview(stack, name, tmp_path):
    """8, first rows."""
    nowhere = tmp_path / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    named = {"current-context": "a", "clusters": [cluster], "contexts": [context], "users": [{"name": "a", "user": {}}]}
    nowhere.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **named}))
    stack.declare(a=config_map(name))
    stack.up()
    before = stack.export()
    stack.declare(a=config_map(name, labels={"x": "y"}))

    preview = stack.planned(KUBECONFIG=str(nowhere))
    up = stack.up(check=False, KUBECONFIG=str(nowhere))
    refresh = stack.refresh(check=False, KUBECONFIG=str(nowhere))

    assert ("update", "a") in preview
    assert "configured Kubernetes cluster is unreachable: unable to load schema information" in said(up)
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in said(up)
    assert "failed to read resource state due to unreachable cluster" in said(refresh)
    assert [its.get("id") for its in stack.export()["deployment"]["resources"]] == [
        its.get("id") for its in before["deployment"]["resources"]
    ]
