"""The process that replaces the sidecar's key, between a fake Headscale and a fake API server."""

import base64
import os
from itertools import count

import grpc
import pytest

from headscale_sidecar import rotation
from headscale_sidecar.headscale import HeadscaleUnavailable, is_api_key_valid
from tests.contract.helpers import valid_prefixes
from tests.fakes.headscale import FakeHeadscale
from tests.fakes.kubernetes_fixtures import *  # noqa: F403 - the API server

SECRET = "/api/v1/namespaces/headscale/secrets/key"


@pytest.fixture(params=["0.28", "0.29"])
def headscale(request):
    with FakeHeadscale(request.param) as server:
        yield server


@pytest.fixture
def rotate(headscale, kubernetes, monkeypatch, capsys):
    """Run the process: takes settings, and returns its exit code and what it says."""
    environment = {
        "POD_NAMESPACE": "headscale",
        "INSTANCE": "vpn",
        "SECRET_NAME": "key",
        "SOCKET_PATH": headscale.socket_path,
        "SERVICE_ACCOUNT": str(kubernetes.pod.account),
        "KUBERNETES_SERVICE_HOST": kubernetes.pod.host,
        "KUBERNETES_SERVICE_PORT": str(kubernetes.pod.port),
        "EXPIRATION": "2h",
        "ROTATION_BUFFER": "10m",
        "OVERLAP": "0s",
    }

    def run(**settings):
        monkeypatch.setattr(os, "environ", {**os.environ, **environment, **settings})
        code = rotation.main()
        messages = capsys.readouterr()
        return code, messages.out, messages.err

    return run


DUE = {"EXPIRATION": "3h", "ROTATION_BUFFER": "150m"}
"""With these the key that lives for two hours is due."""


def key_in_secret(kubernetes):
    return base64.b64decode(kubernetes.server.objects[SECRET]["data"]["api-key"]).decode()


def prefixes(headscale):
    with headscale.client() as client:
        return valid_prefixes(client)


def test_first_run_writes_a_working_key(headscale, kubernetes, rotate):
    code, prefix, messages = rotate()

    assert (code, messages, prefixes(headscale)) == (0, "", [prefix])
    assert headscale.opens(key_in_secret(kubernetes))


def test_good_key_is_kept(headscale, rotate):
    first, second = rotate(), rotate()

    assert second == first
    assert prefixes(headscale) == [first[1]]


def test_due_key_is_replaced_and_revoked(headscale, kubernetes, rotate):
    rotate()
    old = key_in_secret(kubernetes)
    _, prefix, _ = rotate(**DUE)

    assert prefixes(headscale) == [prefix]
    assert headscale.opens(key_in_secret(kubernetes))
    assert not headscale.opens(old)


def test_replaced_key_works_for_the_overlap(headscale, kubernetes, rotate):
    rotate()
    old = key_in_secret(kubernetes)
    rotate(**DUE, OVERLAP="5m")

    assert headscale.opens(old)
    assert len(prefixes(headscale)) == 2


def test_lost_secret_leaves_one_key(headscale, kubernetes, rotate):
    rotate()
    del kubernetes.server.objects[SECRET]
    _, prefix, _ = rotate()

    assert prefixes(headscale) == [prefix]


def refuse_nth(number, requests):
    """Return what refuses one of the requests that change something, and counts them."""

    def refuse(method, _path):
        if method == "GET":
            return None
        requests.append(method)
        return (500, "etcdserver: no leader") if len(requests) == number else None

    return refuse


@pytest.mark.parametrize("settings", [{}, DUE], ids=["first key", "rotation"])
def test_refused_request_anywhere_is_recovered(headscale, kubernetes, rotate, settings):
    for number in count(1):
        kubernetes.server.objects.pop(SECRET, None)
        rotate()
        if not settings:
            del kubernetes.server.objects[SECRET]
        requests = []
        kubernetes.server.refuse = refuse_nth(number, requests)
        code, _, messages = rotate(**settings)
        kubernetes.server.refuse = lambda _method, _path: None
        if len(requests) < number:
            break
        assert code == 1
        assert messages.startswith("KubernetesError: ")
        assert messages.count("\n") == 1

        assert rotate(**settings)[0] == 0
        assert len(prefixes(headscale)) == 1
        assert headscale.opens(key_in_secret(kubernetes))
    assert number > 3


def test_lost_answer_leaks_no_key(headscale, rotate):
    headscale.loses_answer = lambda method: method == "CreateApiKey"
    code, _, messages = rotate()
    headscale.loses_answer = lambda _method: False

    assert (code, messages.partition(":")[0]) == (1, "Unreachable")
    _, prefix, _ = rotate()
    assert prefixes(headscale) == [prefix]


def test_stopped_headscale_is_reported_in_a_line(headscale, rotate):
    headscale.refuse = lambda _method: (grpc.StatusCode.UNAVAILABLE, "closing\nnow")
    code, _, messages = rotate()

    assert (code, messages.count("\n"), messages.startswith("Unreachable: ")) == (1, 1, True)


def test_key_is_tried_by_a_real_call(headscale, kubernetes, rotate):
    rotate()

    assert is_api_key_valid(headscale.url, key_in_secret(kubernetes))
    assert not is_api_key_valid(headscale.url, "hskey-api-AAAAAAAAAAAA-" + "B" * 64)


def test_unclear_answer_is_no_verdict_on_the_key(headscale):
    headscale.proxy = lambda _path: (503, "starting")

    with pytest.raises(HeadscaleUnavailable, match="HTTP status 503"):
        is_api_key_valid(headscale.url, "key")
    url = headscale.url
    headscale.stop()
    with pytest.raises(HeadscaleUnavailable, match="does not answer"):
        is_api_key_valid(url, "key")
