"""The channel of people without access to the cluster, against a real Headscale with TLS."""

import contextlib
import subprocess
import time

import pytest

from dynamic_providers.admin.channel import Channel, ChannelError, Settings, retry_idempotent
from dynamic_providers.admin.connection_dialer import ConnectionDialer
from headscale_core import Unauthenticated
from tests.builders import in_a
from tests.integration.conftest import running


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that vouches for itself."""
    key, crt = tmp_path / "tls.key", tmp_path / "tls.crt"
    subject = ["-subj", "/CN=headscale", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", crt], check=True, capture_output=True)
    return key, crt


@pytest.fixture
def headscale(tmp_path, certificate):
    key, crt = certificate
    with running("0.28", tmp_path, tls_cert_path=str(crt), tls_key_path=str(key), grpc_allow_insecure=False) as server:
        yield server


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """Close what a test has opened."""
    with contextlib.ExitStack() as stack:
        make = Channel.__init__

        def made(channel, *given, **options):
            make(channel, *given, **options)
            stack.callback(channel.close)

        monkeypatch.setattr(Channel, "__init__", made)
        yield


def a_channel(headscale, certificate, **changes):
    settings = {
        "instance": "vpn",
        "namespace": "n",
        "channel": "direct",
        "address": headscale.grpc_address,
        "tls": True,
        "ca_certificate": certificate[1].read_text(),
    }
    return Channel(Settings(**{**settings, **changes}), connect_timeout_seconds=2)


def test_a_key_over_tls_opens_the_way(headscale, certificate):
    with headscale.client() as local:
        key = local.create_api_key(in_a(1))

    with a_channel(headscale, certificate, api_key=key).session() as client:
        assert client.create_user("alice").name == "alice"


def test_wrong_key_fails_at_once_and_stays_secret(headscale, certificate):
    key = "hskey-api-" + "A" * 12 + "-" + "B" * 64
    begun = time.monotonic()

    with (
        pytest.raises(Unauthenticated, match="the API key is wrong") as caught,
        a_channel(headscale, certificate, api_key=key).session(),
    ):
        pass

    assert key not in str(caught.value)
    assert time.monotonic() - begun < 2


ADDRESSES = pytest.mark.parametrize("scheme", ["", "https://"], ids=["grpc", "rest"])


def at(headscale, scheme):
    return f"https://127.0.0.1:{headscale.http_port}" if scheme else headscale.grpc_address


@ADDRESSES
def test_key_with_trailing_line_break_is_accepted(headscale, certificate, scheme):
    """`kubectl create secret --from-file` and `echo | base64` put one there."""
    with headscale.client() as local:
        key = local.create_api_key(in_a(1))

    with a_channel(headscale, certificate, address=at(headscale, scheme), api_key=f"{key}\n").session() as client:
        assert client.list_users() == []


@ADDRESSES
def test_malformed_key_is_refused_and_stays_secret(headscale, certificate, scheme):
    key = "hskey-api-" + "A" * 12 + "-" + "B" * 32 + "\n" + "B" * 31

    with (
        pytest.raises(ChannelError, match="holds characters that no key has") as caught,
        a_channel(headscale, certificate, address=at(headscale, scheme), api_key=key).session(),
    ):
        pass

    assert "BBB" not in str(caught.value)


@ADDRESSES
def test_connection_closed_by_another_thread_is_retried(headscale, certificate, scheme):
    with headscale.client() as local:
        key = local.create_api_key(in_a(1))
    channel = a_channel(headscale, certificate, address=at(headscale, scheme), api_key=key)
    tries = []

    def ask():
        with channel.session() as client:
            tries.append(1)
            if len(tries) == 1:
                client.close()
            return client.list_users()

    assert retry_idempotent(ask) == []
    assert len(tries) == 2


def test_untrusted_certificate_is_refused(headscale, certificate):
    with pytest.raises(ChannelError), a_channel(headscale, certificate, api_key="k", ca_certificate=None).session():
        pass


def test_connect_after_a_timeout_is_tried_once(headscale, certificate, monkeypatch):
    """A thousand resources do not wait a thousand times."""
    headscale.stop()
    channel = a_channel(headscale, certificate, api_key="k")
    tries, connect = [], ConnectionDialer._remote
    monkeypatch.setattr(ConnectionDialer, "_remote", lambda *given: tries.append(1) or connect(*given))
    counts = []

    for _ in range(3):
        tries.clear()
        with pytest.raises(ChannelError), channel.session():
            pass
        counts.append(len(tries))

    headscale.start()
    assert counts[0] > 1
    assert counts[1:] == [1, 1]


def test_unreachable_address_is_named_within_the_deadline(headscale, certificate):
    headscale.stop()

    with (
        pytest.raises(ChannelError, match=headscale.grpc_address) as caught,
        a_channel(headscale, certificate, api_key="k").session(),
    ):
        pass

    headscale.start()
    assert "look at the address" in str(caught.value)
