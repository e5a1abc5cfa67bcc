"""What a cluster refuses: the update fails soon, one message names cause and remedy, and the next update repairs it.

`repaired` is always one more `up`, after the remedy that the message names.
"""

import time

import pytest
import yaml

from .conftest import an_instance, errors, output_of

pytestmark = pytest.mark.slow

NAMESPACE = "e2e-refused"
FIXED = "lab-fixed"
"""The lab's storage class whose PVCs cannot grow."""

READY_SECONDS = 20
"""Longest time of a rollout in these tests."""

SPARE_SECONDS = 40
"""Time for engine, program and providers, on a machine that runs other programs too."""

ANYTHING = ["*"]
RIGHTS = {
    "secrets": {"apiGroups": [""], "resources": ["secrets"], "verbs": ANYTHING},
    "port-forward": {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ANYTHING},
    "core": {
        "apiGroups": [""],
        "resources": ["configmaps", "services", "serviceaccounts", "pods", "persistentvolumeclaims", "events"],
        "verbs": ANYTHING,
    },
    "apps": {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ANYTHING},
    "rbac": {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ANYTHING, "verbs": ANYTHING},
}


def instance(namespace=NAMESPACE, **changes):
    ready = {"readyTimeout": f"{READY_SECONDS}s"}
    return an_instance(namespace, **{**ready, **changes})


def users(*names):
    """Return users with a key each."""
    return {
        "users": {name: {} for name in names},
        "preAuthKeys": {f"{name}-key": {"user": name, "expiration": "24h"} for name in names},
    }


def refused(stack, *words, within, **environment):
    """Fail an update, and return its one message."""
    started = time.monotonic()
    run = stack.up(check=False, **environment)
    seconds = time.monotonic() - started
    text = " ".join(output_of(run).split())
    print(f"{seconds:.1f} s", *errors(run), sep="\n")
    assert run.returncode != 0
    assert seconds < within
    assert "Traceback" not in text
    assert [word for word in words if word not in text] == [], text
    assert len(errors(run)) == 1, text
    return text


def repaired(stack, *arguments):
    stack.up(*arguments)
    stack.preview("--expect-no-changes")


@pytest.fixture(scope="module")
def running(make_stack):
    """An instance that runs, before and after each test."""
    stack = make_stack(NAMESPACE)
    stack.declare(vpn=instance())
    stack.up()
    return stack


@pytest.fixture
def fresh(make_stack, cluster, request):
    """A stack that was never deployed, and its empty namespace."""
    namespace = f"{NAMESPACE}-{request.param}"
    stack = make_stack(namespace)
    cluster.kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=60s")
    cluster.kubectl("create", "namespace", namespace)
    return stack, namespace


def kubeconfig_file(tmp_path, document):
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_unreachable_kubeconfig_is_named(running, unreachable_kubeconfig):
    running.declare(vpn=instance(config={"log": {"level": "debug"}}))
    refused(running, "unreachable", "127.0.0.1:9", within=SPARE_SECONDS, KUBECONFIG=str(unreachable_kubeconfig))

    repaired(running)


def test_unreachable_kubeconfig_is_named_for_users(running, unreachable_kubeconfig):
    running.declare(vpn=instance(config={"log": {"level": "debug"}}, **users("alice")))
    refused(
        running,
        "the Kubernetes cluster is unreachable",
        f"kubeconfig {unreachable_kubeconfig}",
        within=SPARE_SECONDS,
        KUBECONFIG=str(unreachable_kubeconfig),
    )

    repaired(running)


def test_missing_context_is_named(running):
    running.declare(vpn=instance(config={"log": {"level": "warn"}}, **users("alice")))
    file = yaml.safe_load(running.file.read_text())
    file["config"]["kubernetes:context"] = "elsewhere"
    running.file.write_text(yaml.safe_dump(file))
    refused(running, "elsewhere", "context", within=SPARE_SECONDS)
    running.declare(vpn=instance(config={"log": {"level": "warn"}}, **users("alice")))

    repaired(running)


def test_missing_context_is_named_for_users(running):
    running.declare(
        vpn=instance(config={"log": {"level": "warn"}}, connection={"context": "elsewhere"}, **users("alice", "bob"))
    )
    refused(running, "elsewhere", "context", within=SPARE_SECONDS)
    running.declare(vpn=instance(config={"log": {"level": "warn"}}, **users("alice", "bob")))

    repaired(running)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("port-forward", ("pods", "portforward", "forbidden", f"{NAMESPACE}/vpn-0")),
        ("secrets", ("secrets", "forbidden", f"Secret {NAMESPACE}/")),
    ],
)
def test_missing_permission_is_named(running, cluster, tmp_path, missing, words):
    rules = [rule for name, rule in RIGHTS.items() if name != missing]
    limited = kubeconfig_file(tmp_path, cluster.as_account(f"no-{missing}", NAMESPACE, rules))
    names = {"port-forward": ("carol",), "secrets": ("carol", "dave")}[missing]
    before = cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")
    running.declare(vpn=instance(config={"log": {"level": "warn"}}, **users("alice", "bob", *names)))
    text = refused(running, *words, within=SPARE_SECONDS, KUBECONFIG=limited)
    # Of two keys that are created at the same time either may be refused first.
    assert missing != "secrets" or any(f"{NAMESPACE}/{name}-key" in text for name in names)
    assert cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list") == before

    repaired(running)


def test_missing_permission_for_workload_is_named(running, cluster, tmp_path):
    rules = [rule for name, rule in RIGHTS.items() if name != "apps"]
    limited = kubeconfig_file(tmp_path, cluster.as_account("no-apps", NAMESPACE, rules))
    running.declare(vpn=instance(config={"log": {"level": "error"}}))
    refused(running, "statefulsets", "forbidden", within=SPARE_SECONDS, KUBECONFIG=limited)

    repaired(running)


def test_image_pull_failure_is_named(running):
    running.declare(vpn=instance(image="docker.io/nobody/nothing"))
    refused(running, f"pod {NAMESPACE}/vpn-0", "docker.io/nobody/nothing", "Pull", within=READY_SECONDS + SPARE_SECONDS)
    running.declare(vpn=instance(readyTimeout="2m"))

    repaired(running)


def test_crash_loop_without_user_changes_fails(running):
    derp = {"urls": ["http://127.0.0.1:9/map"], "server": {"enabled": True}}
    running.declare(vpn=instance(config={"derp": derp}))
    refused(
        running,
        f"container `headscale` of pod {NAMESPACE}/vpn-0 crashes (exit code 1)",
        "http://127.0.0.1:9/map",
        "kubectl logs vpn-0",
        within=READY_SECONDS + SPARE_SECONDS,
    )
    running.declare(vpn=instance(readyTimeout="2m"))

    repaired(running)


def test_exceeded_quota_is_named(running, cluster):
    metadata = {"name": "none", "namespace": NAMESPACE}
    cluster.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}})
    running.declare(vpn=instance(config={"log": {"level": "debug"}}))
    refused(
        running,
        f"pod {NAMESPACE}/vpn-0 is not there",
        "exceeded quota: none",
        within=READY_SECONDS + SPARE_SECONDS,
    )
    cluster.kubectl("delete", "resourcequota", "none", "-n", NAMESPACE)
    running.declare(vpn=instance(config={"log": {"level": "debug"}}, readyTimeout="3m"))

    repaired(running)


@pytest.fixture
def admission(cluster):
    """Refuse objects of one resource in the namespace, as an admission webhook does."""
    name = "e2e-refused-admission"
    api = {"apiVersion": "admissionregistration.k8s.io/v1"}

    def allow():
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            cluster.kubectl("delete", kind, name, "--ignore-not-found")

    def deny(group, resource, pattern=""):
        rule = {
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": [resource],
        }
        here = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
        cluster.apply(
            {
                **api,
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": name},
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
                    "validations": [
                        {
                            "expression": f"!object.metadata.name.startsWith('{pattern}')",
                            "message": "denied by test policy",
                        }
                    ],
                },
            },
            {
                **api,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"]},
            },
        )
        # The API server applies the policy after a second or two.
        time.sleep(3)

    yield deny, allow
    allow()


def test_admission_denial_of_workload_is_named(running, admission):
    deny, allow = admission
    deny("apps", "statefulsets")
    running.declare(vpn=instance(config={"log": {"level": "info"}}))
    refused(running, "statefulsets", "vpn", "denied by test policy", within=SPARE_SECONDS)
    allow()

    repaired(running)


def test_admission_denial_of_pod_is_named(running, admission):
    deny, allow = admission
    deny("", "pods")
    running.declare(vpn=instance(config={"log": {"level": "warn"}}))
    refused(
        running,
        f"pod {NAMESPACE}/vpn-0 is not there",
        "denied by test policy",
        within=READY_SECONDS + SPARE_SECONDS,
    )
    allow()
    running.declare(vpn=instance(config={"log": {"level": "warn"}}, readyTimeout="3m"))

    repaired(running)


def test_admission_denial_of_key_secret_is_named(running, admission, cluster):
    deny, allow = admission
    deny("", "secrets", "erin")
    declared = instance(config={"log": {"level": "warn"}}, readyTimeout="3m", **users("erin"))
    running.declare(vpn=declared)
    refused(running, f"Secret {NAMESPACE}/erin-key cannot be written", "denied by test policy", within=SPARE_SECONDS)
    assert not cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")
    allow()

    repaired(running)
    assert len(cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list")) == 1


def test_sidecar_without_permissions_is_named(running, cluster):
    """The sidecar's RoleBinding was deleted by hand, and the next pod cannot write its Secret."""
    cluster.kubectl("delete", "rolebinding", "vpn", "-n", NAMESPACE)
    running.declare(vpn=instance())
    refused(
        running,
        "apikey-manager",
        f"Secret {NAMESPACE}/headscale-api-key cannot be read",
        "forbidden",
        within=READY_SECONDS + SPARE_SECONDS,
    )
    running.declare(vpn=instance(readyTimeout="2m"))

    repaired(running, "--refresh")


@pytest.mark.parametrize("fresh", ["secret"], indirect=True)
def test_secret_of_another_owner_is_named(fresh, cluster):
    stack, namespace = fresh
    cluster.kubectl("create", "secret", "generic", "headscale-api-key", "-n", namespace, "--from-literal=mine=1")
    stack.declare(vpn=instance(namespace))
    refused(
        stack,
        f"Secret {namespace}/headscale-api-key exists and is not managed by this component; delete it, or give another "
        "`secretName`",
        within=READY_SECONDS + SPARE_SECONDS,
    )
    assert cluster.secret("headscale-api-key", namespace) == {"mine": "1"}
    cluster.kubectl("delete", "secret", "headscale-api-key", "-n", namespace)
    stack.declare(vpn=instance(namespace, readyTimeout="2m"))

    repaired(stack)


@pytest.mark.parametrize("fresh", ["class"], indirect=True)
def test_missing_storage_class_is_named(fresh, cluster):
    stack, namespace = fresh
    stack.declare(vpn=instance(namespace, persistentVolumeClaim={"size": "128Mi", "storageClassName": "nothing"}))
    refused(stack, 'storageclass.storage.k8s.io "nothing" not found', within=READY_SECONDS + SPARE_SECONDS)
    stack.declare(vpn=instance(namespace, readyTimeout="2m"))

    repaired(stack)
    claim = cluster.get("persistentvolumeclaim", "data-vpn-0", namespace)
    assert claim["status"]["phase"] == "Bound"


@pytest.mark.parametrize("fresh", ["growth"], indirect=True)
def test_pvc_that_cannot_grow_is_named(fresh, cluster):
    stack, namespace = fresh

    def declare(size):
        claim = {"size": size, "storageClassName": FIXED}
        stack.declare(vpn=instance(namespace, persistentVolumeClaim=claim, readyTimeout="2m"))

    declare("128Mi")
    stack.up()
    declare("256Mi")
    refused(
        stack,
        f"PVC {namespace}/data-vpn-0 cannot grow from 128Mi to 256Mi",
        "storageclass",
        "`allowVolumeExpansion`",
        "`size: 128Mi`",
        within=SPARE_SECONDS,
    )
    declare("128Mi")

    repaired(stack)
    claim = cluster.get("persistentvolumeclaim", "data-vpn-0", namespace)
    assert claim["spec"]["resources"]["requests"] == {"storage": "128Mi"}
