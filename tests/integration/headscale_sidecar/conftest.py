"""What each test of the sidecar's process stands between."""

import ssl
import subprocess
import threading

import pytest

from tests.integration.conftest import running
from tests.integration.sidecars import ApiServer, Sidecar


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("account")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=k"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "tls.key", "-out", folder / "ca.crt"]
    subprocess.run([*command, *names], check=True, capture_output=True)
    (folder / "token").write_text("token")
    return folder


@pytest.fixture
def api_server(certificate):
    server = ApiServer()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "ca.crt", certificate / "tls.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["0.28", "0.29"])
def headscale(request, tmp_path):
    with running(request.param, tmp_path) as server:
        yield server


@pytest.fixture
def make_sidecar(headscale, api_server, certificate):
    made = []

    def make(**settings):
        sidecar = Sidecar(headscale, api_server, certificate, **settings)
        made.append(sidecar)
        return sidecar

    yield make
    for sidecar in made:
        if sidecar.process:
            sidecar.kill()
            sidecar.process.wait()
