"""How the sidecar tries a key over TLS, and what it makes of the process that replaces one."""

import ssl
import sys

import pytest

from headscale_sidecar import headscale
from headscale_sidecar.headscale import HeadscaleUnavailable, RotationError
from tests.fakes.http_server import serving
from tests.fakes.kubernetes_fixtures import *  # noqa: F403 - a certificate


@pytest.fixture
def over_tls(pod_account):
    """A Headscale that knows the key `good`: its address, and the names for which it was asked in TLS."""
    tls, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    tls.load_cert_chain(pod_account / "tls.crt", pod_account / "tls.key")
    tls.sni_callback = lambda _socket, name, _context: names.append(name)

    def answer(request):
        return (200 if request.headers["Authorization"] == "Bearer good" else 401), "{}"

    with serving(answer, tls) as port:
        yield f"https://127.0.0.1:{port}", names


@pytest.mark.parametrize(("key", "is_valid"), [("good", True), ("bad", False)])
def test_key_is_tried_over_tls(over_tls, key, is_valid):
    url, _ = over_tls

    assert headscale.is_api_key_valid(url, key) is is_valid


def test_key_unknown_to_0_26_is_invalid():
    with serving(lambda _request: (500, "Unauthorized")) as port:
        assert headscale.is_api_key_valid(f"http://127.0.0.1:{port}", "bad") is False


def test_other_server_error_leaves_key_validity_unknown():
    with (
        serving(lambda _request: (500, "Unauthorized, and more")) as port,
        pytest.raises(HeadscaleUnavailable, match="HTTP status 500"),
    ):
        headscale.is_api_key_valid(f"http://127.0.0.1:{port}", "good")


def test_server_name_is_asked_for_in_tls(over_tls):
    """A Headscale with a certificate by ACME serves nobody who asks for no name."""
    url, names = over_tls

    headscale.is_api_key_valid(url, "good", "vpn.example.com")

    assert names == ["vpn.example.com"]


def test_plain_http_server_leaves_key_validity_unknown(over_tls):
    url, _ = over_tls

    with pytest.raises(HeadscaleUnavailable, match="does not answer"):
        headscale.is_api_key_valid(url.replace("https", "http"), "good")


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Have a shell script replace the key."""

    def install(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    return install


def test_replacement_returns_the_prefix(program):
    program('[ "$*" = "-m headscale_sidecar.rotation" ] && echo abc')

    assert headscale.run_rotation() == "abc"


def test_hanging_rotation_is_killed(program, monkeypatch):
    monkeypatch.setattr(headscale, "_PROCESS_SECONDS", 0.2)
    program("exec sleep 30")

    with pytest.raises(RotationError, match="replacing the key took more than 0 s; it is tried again") as caught:
        headscale.run_rotation()
    assert caught.value.kind == "RotationError"
