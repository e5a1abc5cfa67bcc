"""What the sidecar makes of an API server that it cannot trust, cannot reach, or that refuses."""

import contextlib
import shutil
import ssl
from pathlib import Path

import certifi
import pytest

from headscale_core.keys.secrets import StoredSecret
from headscale_sidecar.kubernetes import ApiServer, KubernetesError, ManagedSecret, api_server
from tests.fakes.http_server import serving
from tests.fakes.kubernetes_fixtures import *  # noqa: F403 - the API server

NAMESPACE = "/api/v1/namespaces/headscale"
PATH = f"{NAMESPACE}/secrets/key"
CLAIM = f"{NAMESPACE}/persistentvolumeclaims/data-vpn-0"
PVC_ANNOTATION = "annotation `headscale-component/api-keys` of PVC data-vpn-0"
STATEFUL_SET = "/apis/apps/v1/namespaces/headscale/statefulsets/vpn"
ISSUED = StoredSecret({"api-key": "text"}, {"headscale-component/key-id": "abc"})


@contextlib.contextmanager
def answering(account, status, text):
    """Serve one answer with TLS, and give the API server as the pod sees it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(account / "tls.crt", account / "tls.key")
    with serving(lambda _request: (status, text), tls) as port:
        yield ApiServer("127.0.0.1", port, account)


@pytest.fixture
def own_account(pod_account, tmp_path):
    """A copy of the pod's account, which a test may spoil."""
    return Path(shutil.copytree(pod_account, tmp_path / "account"))


def test_server_of_another_authority_is_refused(kubernetes, own_account):
    shutil.copy(certifi.where(), own_account / "ca.crt")

    with pytest.raises(KubernetesError, match=r"CERTIFICATE_VERIFY_FAILED"):
        ApiServer(kubernetes.pod.host, kubernetes.pod.port, own_account).call("GET", PATH)
    assert kubernetes.server.asked == []


def test_server_with_another_name_is_refused(kubernetes):
    with pytest.raises(KubernetesError, match=r"Hostname mismatch"):
        ApiServer("localhost", kubernetes.pod.port, kubernetes.pod.account).call("GET", PATH)
    assert kubernetes.server.asked == []


@pytest.mark.parametrize("file", ["token", "ca.crt"])
def test_incomplete_account_is_reported_with_its_folder(kubernetes, own_account, file):
    (own_account / file).unlink()

    with pytest.raises(KubernetesError, match=rf"the service account in {own_account} cannot be read"):
        ApiServer(kubernetes.pod.host, kubernetes.pod.port, own_account).call("GET", PATH)


def test_token_is_read_at_every_call(own_account):
    seen = []

    def answer(request):
        seen.append(request.headers["Authorization"])
        return 200, "{}"

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own_account / "tls.crt", own_account / "tls.key")
    with serving(answer, tls) as port:
        server = ApiServer("127.0.0.1", port, own_account)
        for token in ("one\n", "two\r\n"):
            (own_account / "token").write_text(token)
            assert server.call("GET", PATH) == (200, {})

    assert seen == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html>", r"does not answer .* GET /api/v1/namespaces/headscale/secrets/key: Expecting"),
        ("[]", "no Kubernetes"),
    ],
    ids=["a page", "a list"],
)
def test_answer_of_another_server_is_an_error(pod_account, text, reason):
    with answering(pod_account, 200, text) as server, pytest.raises(KubernetesError, match=reason):
        server.call("GET", PATH)


def test_unreachable_server_is_an_error(pod_account):
    with answering(pod_account, 200, "{}") as server:
        pass

    with pytest.raises(KubernetesError, match=rf"does not answer at 127.0.0.1:{server.port}: GET {PATH}"):
        server.call("GET", f"{PATH}?fieldManager=x")


@pytest.mark.parametrize(("port", "number"), [("6443", 6443), ("", 443)])
def test_api_server_is_the_one_of_kubelet(port, number):
    server = api_server({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": port})

    assert (server.host, server.port) == ("10.0.0.1", number)
    assert server.account == Path("/var/run/secrets/kubernetes.io/serviceaccount")


REFUSALS = {
    "read": (PATH, "GET", "read", "Secret headscale/key cannot be read: denied"),
    "write": (PATH, "PATCH", "write", "Secret headscale/key cannot be written: denied"),
    "read of the PVC annotation": (
        CLAIM,
        "GET",
        "read",
        f"{PVC_ANNOTATION} cannot be read: denied",
    ),
    "write of the PVC annotation": (
        CLAIM,
        "PATCH",
        "write",
        f"{PVC_ANNOTATION} cannot be written: denied",
    ),
    "read of the owner": (STATEFUL_SET, "GET", "write", "StatefulSet headscale/vpn cannot be read: denied"),
    "report": (f"{NAMESPACE}/events", "POST", "report", "no Event can be created in headscale: denied"),
}


@pytest.mark.parametrize(("path", "method", "call", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refused_request_is_reported_with_its_object(kubernetes, path, method, call, message):
    kubernetes.server.refuse = lambda asked, where: (500, "denied") if (asked, where) == (method, path) else None
    managed = ManagedSecret(kubernetes.pod, "vpn")
    calls = {
        "read": lambda: managed.read("headscale", "key"),
        "write": lambda: managed.write("headscale", "key", ISSUED),
        "report": lambda: managed.report("headscale", "KeyNotRotated", "the reason"),
    }

    with pytest.raises(KubernetesError, match=message):
        calls[call]()


@pytest.mark.parametrize("notes", ["no JSON", "[]"])
def test_unreadable_notes_are_no_notes(kubernetes, notes):
    kubernetes.server.put(CLAIM, {"headscale-component/api-keys": notes})

    assert ManagedSecret(kubernetes.pod, "vpn").read("headscale", "key") is None


def test_old_secret_is_copied_to_pvc_annotation(kubernetes):
    managed = ManagedSecret(kubernetes.pod, "vpn")
    managed.write("headscale", "key", ISSUED)
    kubernetes.server.put(CLAIM)

    managed.read("headscale", "key")

    notes = kubernetes.server.objects[CLAIM]["metadata"]["annotations"]["headscale-component/api-keys"]
    assert notes == '{"headscale-component/key-id": "abc"}'


def test_long_report_is_cut(kubernetes):
    ManagedSecret(kubernetes.pod, "vpn").report("headscale", "KeyNotRotated", "x" * 5000)

    (event,) = [value for path, value in kubernetes.server.objects.items() if "/events/" in path]
    assert len(event["message"]) == 1000


def test_deletion_leaves_the_secret_to_its_owner(kubernetes):
    managed = ManagedSecret(kubernetes.pod, "vpn")
    managed.write("headscale", "key", ISSUED)
    managed.delete("headscale", "key")

    assert PATH in kubernetes.server.objects
