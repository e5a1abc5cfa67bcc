"""The stand-in for the Kubernetes provider: what was seen of the official one, row by row.

"Row" refers to the project's notes on the official provider 4.32 against Kubernetes 1.36.
"""

import pytest

from dynamic_providers.cluster import Answer
from lab.standins.kubernetes_provider import conditions, readiness, values
from lab.standins.kubernetes_provider.objects import Reference, _is_taken_over, _union
from lab.standins.kubernetes_provider.replace_rules import compare, delete_before_replace, replacing
from lab.standins.kubernetes_provider.server import _named_by


def an_object(kind, name="a", **parts):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "n"}, **parts}


ROWS = {
    "2.1 ConfigMap data": ("ConfigMap", {"data": {"k": "1"}}, {"data": {"k": "2"}}, ["data.k"]),
    "2.1 Secret type": ("Secret", {"type": "Opaque"}, {"type": "x"}, ["type"]),
    "2.1 Service clusterIP": ("Service", {"spec": {}}, {"spec": {"clusterIP": "None"}}, ["spec.clusterIP"]),
    "2.1 Service ports": ("Service", {"spec": {"ports": [{"port": 1}]}}, {"spec": {"ports": [{"port": 2}]}}, []),
    "2.1 StatefulSet template": ("StatefulSet", {"spec": {"template": 1}}, {"spec": {"template": 2}}, []),
    "2.1 StatefulSet replicas": ("StatefulSet", {"spec": {"replicas": 1}}, {"spec": {"replicas": 0}}, []),
    "2.1 StatefulSet serviceName": (
        "StatefulSet",
        {"spec": {"serviceName": "a"}},
        {"spec": {"serviceName": "b"}},
        ["spec.serviceName"],
    ),
    "2.1 StatefulSet claim templates": (
        "StatefulSet",
        {"spec": {"volumeClaimTemplates": [{"spec": 1}]}},
        {"spec": {"volumeClaimTemplates": [{"spec": 2}]}},
        ["spec.volumeClaimTemplates[0].spec"],
    ),
    "2.1 StatefulSet podManagementPolicy": (
        "StatefulSet",
        {"spec": {"podManagementPolicy": "Parallel"}},
        {"spec": {}},
        ["spec.podManagementPolicy"],
    ),
    "2.1 PVC size": ("PersistentVolumeClaim", {"spec": {"resources": 1}}, {"spec": {"resources": 2}}, []),
    "2.1 PVC class": (
        "PersistentVolumeClaim",
        {"spec": {"storageClassName": "a"}},
        {"spec": {"storageClassName": "b"}},
        ["spec.storageClassName"],
    ),
    "2.1 RoleBinding roleRef": (
        "RoleBinding",
        {"roleRef": {"name": "a"}},
        {"roleRef": {"name": "b"}},
        ["roleRef.name"],
    ),
    "2.1 Role rules": ("Role", {"rules": [1]}, {"rules": [2]}, []),
}


@pytest.mark.parametrize(("kind", "old", "new", "paths"), ROWS.values(), ids=ROWS)
def test_which_changes_replace(kind, old, new, paths):
    before, after = an_object(kind, **old), an_object(kind, **new)

    assert replacing(compare(before, after), before) == paths


def test_another_name_replaces_any_kind():
    before, after = an_object("Role"), an_object("Role", name="b")

    assert replacing(compare(before, after), before) == ["metadata.name"]
    assert not delete_before_replace(before, after), "row 4: names differ, so the new one comes first"


@pytest.mark.parametrize(
    ("annotations", "first"), [({}, True), ({"pulumi.com/autonamed": "true"}, False)], ids=["explicit", "autonamed"]
)
def test_the_old_one_goes_first_where_a_person_chose_the_name(annotations, first):
    """Row 4 of section 0."""
    before = an_object("ConfigMap", data={"k": "1"})
    after = an_object("ConfigMap", data={"k": "2"})
    after["metadata"]["annotations"] = annotations

    assert delete_before_replace(before, after) is first


def test_mutable_config_maps_are_updated_unless_they_are_immutable():
    """Section 2.2."""
    before, after = an_object("ConfigMap", data={"k": "1"}), an_object("ConfigMap", data={"k": "2"})
    mutable = frozenset({"ConfigMap"})

    assert replacing(compare(before, after), before, mutable=mutable) == []
    assert replacing(compare(before, after), {**before, "immutable": True}, mutable=mutable) == ["data.k"]


def test_a_secrets_texts_become_encoded_data_that_is_secret_as_a_whole():
    """Row 9 of section 0."""
    made = values.folded(an_object("Secret", stringData={"k": "hunter2"}, data={"j": "eA=="}))

    assert "stringData" not in made
    assert made["data"] == values.secret({"k": "aHVudGVyMg==", "j": "eA=="})


def test_what_was_secret_in_the_inputs_is_secret_in_the_outputs():
    inputs = an_object("StatefulSet", spec={"x": values.secret("hunter2")})
    live = an_object("StatefulSet", spec={"x": "hunter2"}, status={})

    marked = values.with_secrets(live, inputs)

    assert marked["spec"] == values.secret({"x": "hunter2"})
    assert marked["status"] == {}


def test_secrets_are_compared_by_their_values():
    one, other = an_object("Secret", data=values.secret({"k": "1"})), an_object("Secret", data={"k": "1"})

    assert compare(one, other) == []


def test_whole_numbers_stay_whole_and_unknowns_are_seen():
    tree = values.from_wire(values.to_wire({"replicas": 1, "list": [2, {"x": values.UNKNOWN}]}))

    assert tree["replicas"] == 1
    assert isinstance(tree["replicas"], int)
    assert values.holds_unknown(tree)


@pytest.mark.parametrize(
    ("entry", "taken"),
    [
        ({"manager": "pulumi-kubernetes", "operation": "Update"}, True),
        ({"manager": "kubectl-patch", "operation": "Update"}, True),
        ({"manager": "kubectl", "operation": "Update", "subresource": "scale"}, False),
        ({"manager": "kube-controller-manager", "operation": "Update"}, False),
    ],
    ids=["ours", "kubectl", "a subresource", "another"],
)
def test_whose_fields_an_update_takes_over(entry, taken):
    """Section 1.2."""
    assert _is_taken_over(entry) is taken


def test_fields_of_two_managers_are_put_together():
    assert _union({"f:a": {"f:b": {}}}, {"f:a": {"f:c": {}}}) == {"f:a": {"f:b": {}, "f:c": {}}}


def a_set(ready=1, updated=1, observed=2, replicas=1):
    status = {"readyReplicas": ready, "updatedReplicas": updated, "observedGeneration": observed}
    return {"metadata": {"generation": 2}, "spec": {"replicas": replicas}, "status": status}


@pytest.mark.parametrize(
    ("live", "done"),
    [
        (a_set(), True),
        (a_set(ready=0), False),
        (a_set(updated=0), False),
        (a_set(observed=1), False),
        (a_set(ready=0, updated=0, replicas=0), True),
    ],
    ids=["ready", "not ready", "old template", "not seen yet", "no replicas"],
)
def test_when_a_stateful_set_is_rolled_out(live, done):
    """Section 3.1."""
    assert readiness._is_rolled_out(live) is done


def test_a_crashing_container_is_reported_with_what_it_said():
    status = {
        "name": "headscale",
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "bad prefix"}},
    }

    problems = readiness._problems_of_pod("ns/vpn-0", {"status": {"containerStatuses": [status]}})

    assert problems == [
        "[Pod ns/vpn-0]: containers with unready status: [headscale]",
        "[Pod ns/vpn-0]: [headscale][CrashLoopBackOff] back-off",
        '[Pod ns/vpn-0]: container "headscale" completed with exit code 1: bad prefix',
    ]


class Scene:
    """A cluster that holds one object and what stands beside it."""

    def __init__(self, live, beside=()):
        self.live, self.beside = live, list(beside)

    def read(self, where):
        return Answer(200, self.live)

    def list(self, *_, **__):
        return self.beside


def waited(live, beside=(), **annotations):
    """Wait for an object for a moment, and return what is the matter."""
    where = Reference(live["apiVersion"], live["kind"], "n", "a")
    said = {"pulumi.com/timeoutSeconds": "0.3", **annotations}
    waiting = readiness.Waiting(Scene(live, beside), where, said, 0, False, lambda *_: None, lambda: False)
    return readiness.wait(waiting, live)[1]


SERVICE = {"spec": {"clusterIP": "10.0.0.1", "selector": {"app": "a"}}}
UNREADY = [{"endpoints": [{"conditions": {"ready": False}}]}]


@pytest.mark.parametrize(
    ("live", "beside", "problem"),
    [
        (an_object("Service", **SERVICE), [], None),
        (an_object("Service", **SERVICE), UNREADY, "Service does not target any Pods"),
        (an_object("Service", spec={**SERVICE["spec"], "publishNotReadyAddresses": True}), UNREADY, None),
        (an_object("Service", spec={**SERVICE["spec"], "clusterIP": "None"}), UNREADY, None),
        (an_object("Service", spec={"clusterIP": "10.0.0.1"}), UNREADY, None),
        (an_object("Service", spec={**SERVICE["spec"], "type": "LoadBalancer"}), [], "not allocated an IP address"),
        (an_object("PersistentVolume", status={"phase": "Available"}), [], None),
        (an_object("PersistentVolume", status={"phase": "Pending"}), [], "timed out"),
        (an_object("Ingress", status={}), [], "not updated with a hostname/IP address"),
        (an_object("Ingress", status={"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}), [], None),
        (an_object("NetworkPolicy"), [], None),
    ],
    ids=[
        "4 selects nothing",
        "4 not ready",
        "4 publishes not ready",
        "4 headless",
        "4 no selector",
        "4 balancer",
        "3.0 volume",
        "3.0 volume pending",
        "3.0 ingress without address",
        "3.0 ingress",
        "3.0 nothing to await",
    ],
)
def test_what_is_awaited(live, beside, problem):
    """Sections 3.0 and 4."""
    found = waited(live, beside)

    assert bool(found) is bool(problem)
    assert not problem or problem in " ".join(found)


def test_a_wait_can_be_skipped():
    """Section 3.3 `skipAwait`."""
    assert waited(an_object("Service", **SERVICE), UNREADY, **{"pulumi.com/skipAwait": "true"}) == []


@pytest.mark.parametrize(
    ("annotation", "unmet"),
    [
        ("jsonpath={.status.replicas}=2", []),
        ("jsonpath={.status.replicas}=3", ['Waiting for {.status.replicas}=3 (found "2")']),
        ("jsonpath={.status.replicas}", []),
        ("jsonpath={.status.nope}", ["{.status.nope} selected nothing"]),
        ("condition=Ready", []),
        ("condition=Ready=False", ["Waiting for condition Ready=False"]),
        ('["jsonpath={.status.replicas}=2", "condition=Done"]', ["Waiting for condition Done=True"]),
        ("replicas=2", ['expected a "jsonpath=" or "condition=" prefix: replicas=2']),
    ],
)
def test_what_a_person_may_wait_for(annotation, unmet):
    """Section 3.3 `waitFor`, which takes the place of the built-in rule."""
    live = an_object("Service", status={"replicas": 2, "conditions": [{"type": "Ready", "status": "True"}]})

    assert conditions.unmet(annotation, live) == unmet
    assert bool(waited(live, **{"pulumi.com/waitFor": annotation})) is bool(unmet)


def test_an_import_knows_the_kind_by_the_type_and_the_name_by_the_id():
    """Section 6.2: without an annotation of kubectl's, every field of the program is a difference."""
    urn = "urn:pulumi:s::p::headscale:index:Headscale$kubernetes:apps/v1:StatefulSet::vpn"

    assert _named_by(urn, "n/vpn") == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "vpn", "namespace": "n"},
    }
    assert _named_by("urn:pulumi:s::p::kubernetes:core/v1:Namespace::n", "n")["metadata"] == {"name": "n"}
