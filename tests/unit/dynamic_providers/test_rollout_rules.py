"""When a rollout is over, how a claim grows, and what is said until then."""

import pytest

from headscale_core.rollout import pvc as pvc_rules
from headscale_core.rollout import rollout as rules
from headscale_core.rollout.pod_status import last_warning, pod_problem, unready_containers

PLACE = rules.InstanceLocation("headscale", "vpn")


def stateful_set(*, generation=2, observed=2, replicas=1, revision="vpn-new"):
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, "updateRevision": revision},
    }


def container(name="headscale", *, ready=True, state=None, last=None):
    return {"name": name, "ready": ready, "state": state or {"running": {}}, "lastState": last or {}}


def pod(*containers, revision="vpn-new", ready=True, deleted=False, **status):
    conditions = [{"type": "Ready", "status": str(ready)}, *status.pop("conditions", ())]
    return {
        "metadata": {
            "namespace": "headscale",
            "name": "vpn-0",
            "labels": {"controller-revision-hash": revision},
            **({"deletionTimestamp": "2026-11-25T00:00:00Z"} if deleted else {}),
        },
        "status": {"conditions": conditions, "containerStatuses": [*containers], "phase": "Running", **status},
    }


def test_container_declared_first_is_named_first():
    waiting = pod(container("apikey-manager", ready=False), container(ready=False), ready=False)
    waiting["spec"] = {"containers": [{"name": "headscale"}, {"name": "apikey-manager"}]}

    assert pod_problem(waiting).startswith("container `headscale` of")


def event(name, message, *, reason="FailedCreate", kind="Warning", at="2026-11-25T00:00:00Z"):
    return {
        "involvedObject": {"name": name},
        "type": kind,
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


CRASHED = container(
    ready=False,
    state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    last={"terminated": {"exitCode": 1, "message": "FATAL: cannot fetch relay map\n"}},
)
NOT_DONE = {
    "no StatefulSet": (None, pod(container()), "there is no StatefulSet headscale/vpn"),
    "an old generation": (stateful_set(observed=1), pod(container()), "has not seen the new StatefulSet"),
    "no pod": (stateful_set(), None, "pod headscale/vpn-0 is not there (FailedCreate: exceeded quota: memory)"),
    "the old pod": (
        stateful_set(),
        pod(container(), revision="vpn-old"),
        "of the old template still runs; it is ready",
    ),
    "a pod that goes": (stateful_set(), pod(container(), deleted=True), "is being deleted"),
    "one that was scaled to none": (stateful_set(replicas=0), None, "is scaled to 0 and not to 1"),
    "a crash loop": (
        stateful_set(),
        pod(CRASHED, ready=False),
        "exit code 1): FATAL: cannot fetch relay map; see `kubectl",
    ),
    "a crash loop, for which the sidecar waits": (
        stateful_set(),
        pod(container("apikey-manager", ready=False), CRASHED, ready=False),
        "container `headscale` of pod headscale/vpn-0 crashes (exit code 1)",
    ),
    "a container that runs again after a crash": (
        stateful_set(),
        pod(
            container("apikey-manager", ready=False),
            container(ready=False, last={"terminated": {"exitCode": 1, "message": "FATAL"}}),
            ready=False,
        ),
        "container `headscale` of pod headscale/vpn-0 crashes (exit code 1): FATAL",
    ),
    "a crash loop that was ready for an instant": (
        stateful_set(),
        pod({**CRASHED, "state": {"terminated": {"exitCode": 1, "message": "FATAL"}}}, ready=False),
        "crashes (exit code 1): FATAL",
    ),
    "a crash that keeps another from being ready": (
        stateful_set(),
        pod(container("apikey-manager", ready=False), CRASHED, ready=False),
        "container `headscale` of pod headscale/vpn-0 crashes",
    ),
    "an image that cannot be pulled": (
        stateful_set(),
        pod(
            container(ready=False, state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling x"}}),
            ready=False,
        ),
        "container `headscale` of pod headscale/vpn-0 waits: ImagePullBackOff: Back-off pulling x",
    ),
    "a container that is not ready": (
        stateful_set(),
        pod(container(), container("apikey-manager", ready=False), ready=False),
        "container `apikey-manager` of pod headscale/vpn-0 runs and is not ready; see `kubectl logs vpn-0",
    ),
    "a claim that cannot be bound": (
        stateful_set(),
        pod(
            ready=False,
            phase="Pending",
            conditions=[{"type": "PodScheduled", "status": "False", "message": "unbound PersistentVolumeClaims"}],
        ),
        "cannot be scheduled: unbound PersistentVolumeClaims (ProvisioningFailed: no class)",
    ),
}
EVENTS = [
    event("vpn", "exceeded quota: memory"),
    event("data-vpn-0", "no class", reason="ProvisioningFailed"),
    event("data-vpn-0", "all is well", reason="Fine", kind="Normal", at="2026-11-25T01:00:00Z"),
    event("other", "of somebody else"),
    event("vpn-0", "kubelet has no DNS", reason="MissingClusterDNS"),
]


def test_pvc_warning_comes_before_the_schedulers():
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "unbound"}
    waiting = pod(ready=False, phase="Pending", conditions=[unscheduled])
    events = [*EVENTS, event("vpn-0", "no claim is bound", reason="FailedScheduling")]

    assert "(ProvisioningFailed: no class)" in rules.pod_state(PLACE, stateful_set(), waiting, events)


def unbound(*, size="1Gi", storage_class="none", phase="Pending", volume=None):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
        **({"volumeName": volume} if volume else {}),
    }
    return {"metadata": {"name": "data-vpn-0", "labels": {"a": "b"}}, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "declared", "is_remade"),
    [
        (unbound(), ("1Gi", "fast"), True),
        (unbound(), ("1Gi", "none"), False),
        (unbound(), ("1Gi", None), True),
        (unbound(storage_class="the default"), ("1Gi", None), False),
        (unbound(), ("2Gi", "none"), True),
        (unbound(phase="Bound", volume="pv"), ("2Gi", "fast"), False),
        (unbound(phase="Lost"), ("2Gi", "fast"), False),
    ],
)
def test_only_pvc_that_was_never_bound_is_recreated(found, declared, is_remade):
    template = {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "none"}}]}}

    assert pvc_rules.must_recreate_pvc(found, template, *declared) is is_remade


def test_recreated_pvc_is_as_declared():
    made = pvc_rules.recreated_pvc(unbound(), "2Gi", None)

    assert made["metadata"] == {"name": "data-vpn-0", "labels": {"a": "b"}}
    assert made["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}


@pytest.mark.parametrize("case", NOT_DONE)
def test_unfinished_rollout_says_why(case):
    workload, its_pod, messages = NOT_DONE[case]

    assert messages in rules.pod_state(PLACE, workload, its_pod, EVENTS)


@pytest.mark.parametrize(
    ("workload", "its_pod"),
    [
        (stateful_set(), pod(container())),
        (stateful_set(), pod(container(last={"terminated": {"exitCode": 1}}))),
    ],
    ids=["ready", "ready after a crash"],
)
def test_rollout_is_over_with_the_new_pod(workload, its_pod):
    assert rules.pod_state(PLACE, workload, its_pod, EVENTS) == ""


def test_stopped_instance_waits_for_its_pod_to_go():
    stopped = stateful_set(replicas=0)

    assert rules.pod_state(PLACE, stopped, None, (), replicas=0) == ""
    assert "still runs" in rules.pod_state(PLACE, stopped, pod(container()), (), replicas=0)


def test_newest_warning_about_an_object_is_shown():
    events = [
        event("a", "old", at="2026-01-01"),
        event("a", "new", at="2026-01-02"),
        event("b", "other", at="2026-02-01"),
    ]

    assert last_warning(events, "a") == "FailedCreate: new"
    assert last_warning(events, "c") == ""


def test_containers_that_run_unready_are_named():
    assert unready_containers(pod(container(), container("x", ready=False), CRASHED)) == ["x"]
    assert pod_problem(pod(container())) == ""


def claim(asked="1Gi", capacity="1Gi", storage_class="fast", conditions=()):
    volume = {"volumeName": "pvc-1"} if capacity else {}
    return {
        "metadata": {"name": "data-vpn-0", "namespace": "headscale", "uid": "u"},
        "spec": {"resources": {"requests": {"storage": asked}}, "storageClassName": storage_class, **volume},
        "status": {"capacity": {"storage": capacity} if capacity else {}, "conditions": list(conditions)},
    }


@pytest.mark.parametrize(
    ("found", "size", "storage_class", "messages"),
    [
        (claim(), "2Gi", None, ""),
        (claim(), "1024Mi", "fast", ""),
        (claim("5Gi", "5Gi"), "1Gi", None, "has 5Gi and cannot shrink to 1Gi"),
        (claim("5Gi", "1Gi"), "2Gi", None, ""),
        (claim("5Gi", None), "1Gi", None, "cannot shrink"),
        (claim(), "1Gi", "slow", "of storage class `fast` and cannot become `slow`"),
    ],
    ids=["grows", "same", "shrinks", "takes back a failed growth", "shrinks unbound", "another class"],
)
def test_pvc_can_become_as_declared_or_not(found, size, storage_class, messages):
    problem = pvc_rules.pvc_problem(PLACE, found, size, storage_class)

    assert messages in problem
    assert bool(problem) == bool(messages)


def test_growth_says_what_it_waits_for():
    waits = claim(
        "2Gi", "1Gi", conditions=[{"type": "FileSystemResizePending", "status": "True", "message": "restart"}]
    )

    messages = pvc_rules.resize_state(PLACE, waits, "2Gi", [])

    assert messages == "PVC headscale/data-vpn-0 has 1Gi of 2Gi: FileSystemResizePending: restart"
    assert pvc_rules.resize_state(PLACE, claim("2Gi", "2Gi"), "2Gi", []) == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("1Gi", 2**30), ("500M", 5 * 10**8), ("1.5Ki", 1536), ("1e3", 1000), ("128974848", 128974848), ("100m", 0.1)],
)
def test_quantity_is_read_as_kubernetes_does(text, number):
    assert float(pvc_rules.quantity(text)) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "1GB", "lots", "1 Gi", "-1Gi"])
def test_text_that_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError, match="no quantity"):
        pvc_rules.quantity(text)


def test_move_warning_says_what_becomes_of_the_pvc():
    new = rules.InstanceLocation("vpn2", "vpn")

    kept = rules.move_warning(PLACE, new, retain=True, elsewhere=False)
    lost = rules.move_warning(PLACE, new, retain=False, elsewhere=False)

    assert "PVC headscale/data-vpn-0 stays behind" in kept
    assert "PVC headscale/data-vpn-0 is deleted" in lost
    assert "`abandonData: headscale/vpn`" in rules.consent_hint(PLACE)


def of_template(**spec):
    labels = {"app.kubernetes.io/instance": "vpn"}
    claimed = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast", **spec}
    return {"metadata": {"name": "data-vpn-0", "labels": labels}, "spec": claimed, "status": {"phase": "Pending"}}


def test_only_unbound_templated_pvc_is_recreated():
    template = {"metadata": {"labels": {"app.kubernetes.io/instance": "vpn"}}, "spec": {}}
    workload = {"spec": {"volumeClaimTemplates": [template]}}
    restored = of_template(dataSource={"kind": "VolumeSnapshot", "name": "backup"})
    foreign = {**of_template(), "metadata": {"name": "data-vpn-0"}}

    assert pvc_rules.must_recreate_pvc(of_template(), workload, "2Gi", None)
    assert not pvc_rules.must_recreate_pvc(restored, workload, "2Gi", None)
    assert not pvc_rules.must_recreate_pvc(foreign, workload, "2Gi", None)
    assert not pvc_rules.must_recreate_pvc(of_template(volumeName="pvc-1"), workload, "2Gi", None)
