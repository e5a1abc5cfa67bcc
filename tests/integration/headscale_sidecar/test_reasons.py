"""Why the sidecar is not ready, as the answer of `/readyz`."""

import base64
import re

import pytest

from tests.integration.conftest import free_port, running
from tests.integration.sidecars import eventually

FORBIDDEN = 'secrets "key" is forbidden: User "system:serviceaccount:ns:vpn" cannot {} resource "secrets"'


def repeating(body):
    """Return what an admission webhook says that repeats the key which it refuses; nothing where there is none yet."""
    data = body["data"].get("api-key", "")
    return data and f"webhook denied the request: {data} ({base64.b64decode(data).decode()}) is not allowed"


REFUSED = {
    "no right to read the Secret": (
        ("GET", "/secrets/", 403, FORBIDDEN.format("get")),
        f"Secret ns/key cannot be read: {FORBIDDEN.format('get')}",
    ),
    "no right to write the Secret": (
        ("PATCH", "/secrets/", 403, FORBIDDEN.format("patch")),
        f"Secret ns/key cannot be written: {FORBIDDEN.format('patch')}",
    ),
    "a webhook that repeats the key": (
        ("PATCH", "/secrets/", 400, repeating),
        "Secret ns/key cannot be written: webhook denied the request: (hidden) ((hidden)) is not allowed",
    ),
    "no right to read the StatefulSet": (
        ("GET", "/statefulsets/", 403, "statefulsets is forbidden"),
        "StatefulSet ns/vpn cannot be read: statefulsets is forbidden",
    ),
    "PVC annotation that cannot be written": (
        ("PATCH", "/persistentvolumeclaims/", 500, "etcd is away"),
        "annotation `headscale-component/api-keys` of PVC data-vpn-0 cannot be written: etcd is away",
    ),
}


def why_not(sidecar):
    """Return the reason, once it is another one than that the sidecar is about to begin."""

    def reason():
        status, text = sidecar.answer("/readyz")
        assert status in {0, 503}, text
        return text if status and text not in {"not ready: starting\n", "not ready: there is no Secret\n"} else ""

    text = eventually("a reason", reason)
    assert text.startswith("not ready: ")
    assert text.endswith("\n")
    assert "hskey" not in text
    return text.removeprefix("not ready: ").removesuffix("\n")


@pytest.mark.parametrize(("refused", "reason"), REFUSED.values(), ids=REFUSED)
def test_call_refused_by_kubernetes_is_the_reason(headscale, api_server, make_sidecar, refused, reason):
    verb, kind, status, message = refused
    api_server.refused = {(verb, kind): (status, message)}
    sidecar = make_sidecar()
    sidecar.start()

    assert why_not(sidecar) == reason
    event = eventually("an Event", lambda: api_server.events)[0] if "statefulsets" not in kind else {}
    assert event.get("reason", "KubernetesError") == "KubernetesError"
    assert "hskey" not in sidecar.log.read_text() + str(api_server.events)


def test_secret_not_owned_is_the_reason(headscale, api_server, make_sidecar):
    api_server.secret = {"metadata": {"name": "key"}, "data": {"password": "eA=="}}
    sidecar = make_sidecar()
    sidecar.start()

    problem = "Secret ns/key exists and is not managed by this component"
    assert why_not(sidecar) == f"{problem}; delete it, or give another `secretName`"
    assert eventually("an Event", lambda: api_server.events)[0]["reason"] == "SecretNotOwned"


def test_unreachable_kubernetes_is_the_reason(headscale, make_sidecar):
    sidecar = make_sidecar(KUBERNETES_SERVICE_PORT=str(free_port()))
    sidecar.start()

    assert re.fullmatch(r"Kubernetes does not answer at 127.0.0.1:\d+: GET /api/.*refused", why_not(sidecar))


def test_answer_without_object_is_the_reason(headscale, api_server, make_sidecar):
    api_server.answer_with = (200, "nonsense")
    sidecar = make_sidecar()
    sidecar.start()

    assert re.match(r"what answers at 127.0.0.1:\d+ is no Kubernetes API: GET /api/v1/", why_not(sidecar))


def test_missing_service_account_is_the_reason(headscale, make_sidecar, tmp_path):
    sidecar = make_sidecar(SERVICE_ACCOUNT=str(tmp_path / "none"))
    sidecar.start()

    assert why_not(sidecar).startswith(f"the service account in {tmp_path}/none cannot be read: ")


def test_stopped_headscale_is_the_reason(headscale, api_server, make_sidecar):
    headscale.stop()
    sidecar = make_sidecar()
    sidecar.start()

    try:
        assert re.search(r"on Headscale at \S+ failed to connect: .*; check that the pod runs", why_not(sidecar))
        assert eventually("an Event", lambda: api_server.events)[0]["reason"] == "Unreachable"
    finally:
        headscale.start()


def test_headscale_without_http_is_the_reason(headscale, make_sidecar):
    url = f"http://127.0.0.1:{free_port()}"
    sidecar = make_sidecar(HEADSCALE_URL=url)
    sidecar.start()

    assert why_not(sidecar) == f"Headscale does not answer at {url}: [Errno 111] Connection refused"


def test_invalid_new_key_is_the_reason(headscale, api_server, make_sidecar, tmp_path):
    """The address leads to another Headscale than the socket."""
    other = tmp_path / "other"
    other.mkdir()
    with running(headscale.version, other) as another:
        sidecar = make_sidecar(HEADSCALE_URL=another.url)
        sidecar.start()

        assert why_not(sidecar) == "Headscale rejects the key that it just created"
