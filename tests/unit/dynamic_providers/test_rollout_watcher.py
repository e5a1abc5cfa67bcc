"""Following a rollout against a cluster that is scripted: what is asked, what is waited for, how it ends."""

import contextlib
import http.server
import threading

import pytest

from dynamic_providers.admin.channel import Settings
from dynamic_providers.kubernetes import rollout_watcher
from dynamic_providers.kubernetes.cluster import Answer, ClusterError
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from headscale_core.rollout.pvc import SERVED_VERSION
from headscale_core.rollout.rollout import DesiredRollout, RolloutError

from .test_rollout_rules import claim, container, event, pod, stateful_set, unbound

READY = pod(container(), container("apikey-manager"))
TARGET = DesiredRollout(version="v0.29.3", size="1Gi", storage_class=None, timeout_seconds=0.2)
NO = Answer(404, {"message": "not found"})


class ScriptedCluster:
    """Answers with the objects it was given; the last of several stays. Ports lead to real local servers."""

    def __init__(self, ports=(), **objects):
        self.objects = {name: list(value) if isinstance(value, list) else [value] for name, value in objects.items()}
        self.ports = dict(ports)
        self.patched = []

    def request(self, method, path, *, body=None, **_):
        kind = path.split("/")[6 if path.startswith("/apis") else 5]
        if method == "PATCH":
            self.patched.append(body)
            return self.objects.get("patch", [Answer(200, {})])[0]
        if kind == "events":
            return Answer(200, {"items": [value for value in self.objects.get("events", []) if value]})
        answers = self.objects.get(kind, [None])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Answer):
            return found
        return Answer(200, found) if found else NO

    @contextlib.contextmanager
    def port_forward(self, _pod, _namespace, port):
        if isinstance(self.ports.get(port), Exception):
            raise self.ports[port]
        yield self.ports[port]


@pytest.fixture
def serve():
    """Serve a text under every path, and return the port."""
    servers = []

    def start(text, status=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(rollout_watcher, "_PAUSE_SECONDS", 0.01)


def a_watcher(cluster):
    return RolloutWatcher(cluster, Settings("vpn", "headscale"), lambda _: None)


def healthy(serve, version="v0.29.3", **objects):
    ports = {8080: serve(f'{{"version": "{version}"}}')}
    return ScriptedCluster(
        ports, **{"statefulsets": stateful_set(), "pods": READY, "persistentvolumeclaims": claim(), **objects}
    )


def test_finished_rollout_returns_uid_of_the_pvc(serve):
    old = pod(container(), revision="vpn-old")
    cluster = healthy(serve, statefulsets=[stateful_set(observed=1), stateful_set()], pods=[old, old, None, READY])

    assert a_watcher(cluster).wait(TARGET) == "u"


def test_served_version_is_annotated_once(serve):
    served = claim()
    served["metadata"]["annotations"] = {SERVED_VERSION: "v0.29.3"}
    new, old = healthy(serve), healthy(serve, persistentvolumeclaims=served)

    a_watcher(new).wait(TARGET)
    a_watcher(old).wait(TARGET)

    assert new.patched == [{"metadata": {"annotations": {SERVED_VERSION: "v0.29.3"}}}]
    assert old.patched == []


def test_forbidden_pvc_annotation_is_no_failure(serve):
    cluster = healthy(serve, patch=Answer(403, {"message": "no"}))

    assert a_watcher(cluster).wait(TARGET)


def test_answer_of_another_version_is_an_error(serve):
    with pytest.raises(RolloutError, match=r"answers as v0.28.0 and not as v0.29.3"):
        a_watcher(healthy(serve, version="v0.28.0")).wait(TARGET)


@pytest.mark.parametrize("version", ["dev", "", "vpn"])
def test_version_without_number_is_accepted(serve, version):
    cluster = healthy(serve)
    cluster.ports[8080] = serve(version)

    assert a_watcher(cluster).wait(TARGET) == "u"


def test_forbidden_port_forward_counts_as_ready(serve):
    cluster = healthy(serve)
    cluster.ports[8080] = ClusterError("no port may be forwarded", 403)

    assert a_watcher(cluster).wait(TARGET) == "u"


def test_unready_sidecar_reports_its_reason(serve):
    unready = pod(container(), container("apikey-manager", ready=False), ready=False)
    cluster = healthy(serve, pods=unready)
    problem = "Secret headscale/headscale-api-key exists and is not managed by this component"
    cluster.ports[8081] = serve(f"not ready: {problem}\n", 503)

    with pytest.raises(RolloutError, match=f"is not ready after .*{problem}"):
        a_watcher(cluster).wait(TARGET)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ('FTL initializing policy manager: parsing policy: group not defined in policy: "group:x"', "this version of"),
        ('FTL initializing policy manager: multiple users found: token "alice@"', "names `alice@`, which is more than"),
    ],
    ids=["refused", "ambiguous user"],
)
def test_crash_by_stored_policy_names_the_fix(serve, log, why):
    crashed = container(
        ready=False,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        last={"terminated": {"exitCode": 1, "message": log}},
    )
    cluster = healthy(serve, pods=pod(crashed, container("apikey-manager", ready=False), ready=False))

    with pytest.raises(RolloutError, match=r"crashes \(exit code 1\)") as caught:
        a_watcher(cluster).wait(TARGET)
    assert why in str(caught.value)
    assert "headscale policy set --force --bypass-grpc-and-access-database-directly" in str(caught.value)


def test_events_tell_why_there_is_no_pod(serve):
    cluster = healthy(serve, pods=None, events=[event("vpn", "exceeded quota: pods")])

    with pytest.raises(RolloutError, match="exceeded quota: pods"):
        a_watcher(cluster).wait(TARGET)


def test_what_may_not_be_read_ends_at_once(serve):
    cluster = healthy(serve, pods=Answer(403, {"message": "pods is forbidden"}))

    with pytest.raises(ClusterError, match="cannot be read: pods is forbidden"):
        a_watcher(cluster).wait(DesiredRollout("v0.29.3", "1Gi", None, timeout_seconds=60))


def test_larger_pvc_is_requested_and_awaited(serve):
    growing = claim("2Gi", "1Gi")
    cluster = healthy(serve, persistentvolumeclaims=[claim(), growing, claim("2Gi", "2Gi")], patch=Answer(200, growing))

    a_watcher(cluster).wait(DesiredRollout("v0.29.3", "2Gi", None, timeout_seconds=5))

    assert cluster.patched[0] == {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}


def test_refused_resize_of_pvc_says_why(serve):
    refused = Answer(403, {"message": "only dynamically provisioned pvc can be resized"})

    with pytest.raises(RolloutError, match="cannot grow from 1Gi to 2Gi: only dynamically provisioned"):
        a_watcher(healthy(serve, patch=refused)).wait(DesiredRollout("v0.29.3", "2Gi", None, timeout_seconds=5))


def test_unfinished_resize_says_what_it_waits_for(serve):
    waits = claim(
        "2Gi", "1Gi", conditions=[{"type": "FileSystemResizePending", "status": "True", "message": "restart"}]
    )

    with pytest.raises(RolloutError, match="has 1Gi of 2Gi: FileSystemResizePending: restart"):
        a_watcher(healthy(serve, persistentvolumeclaims=waits)).wait(DesiredRollout("v0.29.3", "2Gi", None, 0.1))


def test_look_changes_nothing(serve):
    cluster = healthy(serve)

    assert not a_watcher(cluster).is_settled(DesiredRollout("v0.29.3", "2Gi", None, 1))
    assert a_watcher(cluster).is_settled(TARGET)
    assert cluster.patched == []


@pytest.mark.parametrize("status", [429, 503])
def test_busy_api_server_is_asked_again(serve, status):
    cluster = healthy(serve, pods=[Answer(status, {"message": "leader changed"}), READY])

    assert a_watcher(cluster).wait(DesiredRollout("v0.29.3", "1Gi", None, timeout_seconds=5)) == "u"


class RecreatingCluster(ScriptedCluster):
    """Answers to the deletion and to each creation of the PVC as the test says; a created PVC is bound at once."""

    def __init__(self, deletion, *creations, **objects):
        super().__init__(**objects)
        self.deletion, self.creations, self.sent = deletion, list(creations), []

    def request(self, method, path, *, body=None, **options):
        if method not in {"DELETE", "POST"}:
            return super().request(method, path, body=body, **options)
        self.sent.append((method, body))
        if method == "DELETE":
            return self.deletion
        answer = self.creations.pop(0)
        if answer.ok:
            self.objects["persistentvolumeclaims"] = [claim()]
        return answer


OK, CONFLICT, DENIED = Answer(200, {}), Answer(409, {"message": "exists"}), Answer(403, {"message": "denied"})
TERMINATING = Answer(409, {"message": "object is being deleted: exists"})


def never_bound():
    found = unbound(size="512Mi")
    return {**found, "metadata": {**found["metadata"], "uid": "old", "resourceVersion": "7"}}


def a_workload():
    return stateful_set() | {"spec": {"replicas": 1, "volumeClaimTemplates": [{"spec": {"storageClassName": "none"}}]}}


@pytest.mark.parametrize("deletion", [OK, NO, CONFLICT], ids=["deleted", "gone", "changed"])
def test_never_bound_pvc_is_recreated_as_declared(serve, deletion):
    objects = {"statefulsets": a_workload(), "pods": READY, "persistentvolumeclaims": never_bound()}
    cluster = RecreatingCluster(deletion, TERMINATING, OK, ports={8080: serve('{"version": "v0.29.3"}')}, **objects)

    assert a_watcher(cluster).wait(TARGET) == "u"

    (_, deleted), *created = cluster.sent
    assert deleted["preconditions"] == {"uid": "old", "resourceVersion": "7"}
    assert [body["spec"]["resources"]["requests"]["storage"] for _, body in created] == ["1Gi", "1Gi"]


def test_pvc_created_by_controller_first_is_deleted_again(serve):
    objects = {"statefulsets": a_workload(), "pods": READY, "persistentvolumeclaims": never_bound()}
    cluster = RecreatingCluster(OK, CONFLICT, OK, ports={8080: serve('{"version": "v0.29.3"}')}, **objects)

    assert a_watcher(cluster).wait(TARGET) == "u"

    assert [method for method, _ in cluster.sent] == ["DELETE", "POST", "DELETE", "POST"]


@pytest.mark.parametrize("answers", [(DENIED,), (OK, DENIED)], ids=["deletion", "creation"])
def test_forbidden_recreation_of_pvc_is_an_error(answers):
    cluster = RecreatingCluster(*answers, statefulsets=a_workload(), persistentvolumeclaims=never_bound())

    with pytest.raises(ClusterError, match=r"PVC headscale/data-vpn-0, which never had a volume, cannot be .*: denied"):
        a_watcher(cluster).wait(TARGET)


def test_crash_by_policy_names_the_command():
    log = "policy manager: multiple users found"
    crashed = pod(container(ready=False, state={"terminated": {"exitCode": 1, "message": log}}), ready=False)
    cluster = ScriptedCluster(statefulsets=stateful_set(), pods=crashed, persistentvolumeclaims=claim())

    with pytest.raises(RolloutError, match="headscale policy set --force"):
        a_watcher(cluster).wait(TARGET)
