"""Configurations whose effect only shows on the real stack: TLS, STUN, files, PostgreSQL, OIDC."""

import contextlib
import http.cookiejar
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import tools
from lab.cluster.certificates import ADDRESS
from lab.cluster.parts import SERVICE_ADDRESSES
from lab.state import CACHE, own_cluster
from lab.tailnode import TailNode

from .conftest import an_instance, eventually

NOBODY = 65534
requires_lab = pytest.mark.skipif(own_cluster(), reason="pods of another cluster do not reach this machine")


def address_of(cluster, namespace):
    return cluster.get("service", "vpn", namespace)["spec"]["clusterIP"]


def config_of(cluster, namespace):
    (name,) = (name for name in cluster.names("configmap", namespace) if "vpn-config-" in name)
    return cluster.get("configmap", name.partition("/")[2], namespace)["data"]


@pytest.fixture
def node(tmp_path):
    node = TailNode(tmp_path / "n")
    yield node
    node.stop()


@contextlib.contextmanager
def process(command, end=signal.SIGTERM, **options):
    """Run a process in the background, and stop it by a signal."""
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options)
        try:
            yield running
        finally:
            running.send_signal(end)
            running.wait(20)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def answers(port):
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


# TLS from a Secret, files, and the embedded relay.

TLS = "e2e-tls"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for every address that a Service of the lab may get."""
    folder = tmp_path_factory.mktemp("tls")
    network = SERVICE_ADDRESSES.rpartition(".")[0]
    names = ",".join(f"IP:{network}.{number}" for number in range(256))
    subject = ["-subj", "/CN=vpn", "-addext", f"subjectAltName=DNS:vpn.headscale.local,{names}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    files = ["-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def with_tls(make_stack, cluster, certificate):
    stack = make_stack(TLS)
    cluster.kubectl("create", "namespace", TLS)
    files = [f"--cert={certificate / 'tls.crt'}", f"--key={certificate / 'tls.key'}"]
    cluster.kubectl("create", "secret", "tls", "vpn-tls", "-n", TLS, *files)
    records = '[{"name": "printer.example.net", "type": "A", "value": "100.64.0.99"}]'
    stack.declare(
        vpn=an_instance(
            TLS,
            config={
                "server_url": "https://vpn.headscale.local:8443",
                "listen_addr": "0.0.0.0:8443",
                "tls_cert_path": "/etc/headscale-tls/tls.crt",
                "tls_key_path": "/etc/headscale-tls/tls.key",
                "dns": {"extra_records_path": "/etc/headscale-records/records.json"},
            },
            files={
                "/etc/headscale-tls/tls.crt": {"secretKeyRef": {"name": "vpn-tls", "key": "tls.crt"}},
                "/etc/headscale-tls/tls.key": {"secretKeyRef": {"name": "vpn-tls", "key": "tls.key"}},
                "/etc/headscale-records/records.json": {"inline": records},
            },
            pod={"env": {"GODEBUG": "x509negativeserial=0"}, "annotations": {"example.com/why": "tls"}},
            users={"alice": {}},
            preAuthKeys={"laptop": {"user": "alice"}},
        )
    )
    stack.up()
    return stack


def test_tls_instance_serves_probes_connection_and_node(with_tls, cluster, certificate, node, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "tls.crt"))
    probe = cluster.get("pod", "vpn-0", TLS)["spec"]["containers"][0]["readinessProbe"]["httpGet"]
    node.start()
    key = cluster.secret("laptop", TLS)["key"]

    node.up(f"https://{address_of(cluster, TLS)}:8443", key, hostname="by-tls")

    assert probe["scheme"] == "HTTPS"
    assert with_tls.output("vpn")["users"] == {"alice": "1"}
    assert [value["given_name"] for value in cluster.headscale("vpn", TLS, "nodes", "list")] == ["by-tls"]


def test_plain_http_request_is_refused(with_tls, cluster):
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(f"http://{address_of(cluster, TLS)}:8443/health", timeout=5)
    caught.value.close()


def test_inline_extra_records_are_mounted_at_configured_path(with_tls, cluster):
    """Headscale does not start without the file, so that it runs shows the mount; the content is in the ConfigMap."""
    data = config_of(cluster, TLS)
    mounts = cluster.get("pod", "vpn-0", TLS)["spec"]["containers"][0]["volumeMounts"]

    assert yaml.safe_load(data["config.yaml"])["dns"]["extra_records_path"] == "/etc/headscale-records/records.json"
    assert "printer.example.net" in "".join(data.values())
    assert "/etc/headscale-records" in {mount["mountPath"] for mount in mounts}


def test_config_map_contains_no_secret(with_tls, cluster, certificate):
    everything = "".join(config_of(cluster, TLS).values())

    assert "PRIVATE KEY" not in everything
    assert (certificate / "tls.key").read_text().splitlines()[3] not in everything


def test_embedded_derp_answers_stun(with_tls, cluster):
    """A binding request as Tailscale's clients send it (RFC 5389, with their SOFTWARE and a FINGERPRINT)."""
    transaction = os.urandom(12)
    attributes = struct.pack("!HH8s", 0x8022, 8, b"tailnode")
    head = struct.pack("!HHI12s", 0x0001, len(attributes) + 8, 0x2112A442, transaction)
    fingerprint = zlib.crc32(head + attributes) ^ 0x5354554E
    request = head + attributes + struct.pack("!HHI", 0x8028, 4, fingerprint)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(5)
        client.sendto(request, (address_of(cluster, TLS), 3478))
        answer = client.recv(1024)

    assert struct.unpack("!H", answer[:2]) == (0x0101,)
    assert answer[8:20] == transaction


# PostgreSQL.

POSTGRES = "e2e-postgres"


def postgres_programs():
    """Return PostgreSQL's programs, unpacked from the Debian package and not installed."""
    unpacked = CACHE / "postgresql-15"
    if not unpacked.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "-q", "download", "postgresql-15"], cwd=folder, check=True, capture_output=True)
            (package,) = Path(folder).glob("*.deb")
            subprocess.run(["dpkg", "-x", package, Path(folder) / "x"], check=True)
            shutil.move(Path(folder) / "x", unpacked)
    return unpacked


@pytest.fixture(scope="module")
def postgres():
    """A real PostgreSQL on this machine, which refuses to run as root; yields its port."""
    # Not pytest's folder, which only root may enter.
    folder, port = Path(tempfile.mkdtemp(prefix="postgres-", dir="/var/tmp")), free_port()
    programs = folder / "programs"
    shutil.copytree(postgres_programs(), programs, symlinks=True)
    folder.chmod(0o755)
    (folder / "home").mkdir()
    os.chown(folder / "home", NOBODY, NOBODY)
    run: dict[str, Any] = {
        "user": NOBODY,
        "group": NOBODY,
        "extra_groups": [],
        "cwd": folder / "home",
        "env": {"LANG": "C", "PATH": os.environ["PATH"]},
    }
    programs /= "usr/lib/postgresql/15/bin"
    data = folder / "home" / "data"
    (folder / "home" / "password").write_text("hunter2\n")
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "headscale",
        "-A",
        "scram-sha-256",
        "--pwfile=password",
        "--no-sync",
    ]
    subprocess.run(initdb, check=True, capture_output=True, **run)
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all 0.0.0.0/0 scram-sha-256\n")
    place: list[str | Path] = ["-D", data, "-h", ADDRESS, "-p", str(port), "-k", folder / "home"]
    server = [programs / "postgres", *place, "-F"]
    # Its fast shutdown: the smart one waits for clients to leave.
    with process(server, signal.SIGINT, **run):
        eventually("PostgreSQL answers", lambda: answers(port), seconds=30)
        yield port
    shutil.rmtree(folder)


@requires_lab
def test_postgres_instance_stores_users_in_postgres(make_stack, cluster, postgres):
    stack = make_stack(POSTGRES)
    cluster.kubectl("create", "namespace", POSTGRES)
    cluster.kubectl("create", "secret", "generic", "db", "-n", POSTGRES, "--from-literal=password=hunter2")
    database = {
        "type": "postgres",
        "postgres": {
            "host": ADDRESS,
            "port": postgres,
            "name": "postgres",
            "user": "headscale",
            "pass": {"secretKeyRef": {"name": "db", "key": "password"}},
            "ssl": "disable",
        },
    }
    stack.declare(
        vpn=an_instance(
            POSTGRES, {"database": database}, users={"alice": {}}, preAuthKeys={"laptop": {"user": "alice"}}
        )
    )
    stack.up()

    assert cluster.headscale("vpn", POSTGRES, "users", "list")[0]["name"] == "alice"
    assert cluster.secret("laptop", POSTGRES)["key"].startswith("hskey-auth-")
    config = config_of(cluster, POSTGRES)["config.yaml"]
    assert "hunter2" not in config
    assert yaml.safe_load(config)["database"]["postgres"]["host"] == ADDRESS
    assert "sqlite" not in yaml.safe_load(config)["database"]
    stack.preview("--expect-no-changes")


# OpenID Connect.

OIDC = "e2e-oidc"


@pytest.fixture(scope="module")
def provider():
    """An OpenID Connect provider on this machine; yields its issuer."""
    port = free_port()
    command = [Path(sys.prefix) / "bin" / "oidc-provider-mock", "--host", ADDRESS, "--port", str(port)]
    with process(command):
        eventually("the provider answers", lambda: answers(port), seconds=30)
        yield f"http://{ADDRESS}:{port}"


@pytest.fixture(scope="module")
def with_oidc(make_stack, cluster, provider):
    stack = make_stack(OIDC)
    cluster.kubectl("create", "namespace", OIDC)
    oidc = {
        "issuer": provider,
        "client_id": "headscale",
        "email_verified_required": False,
    }
    stack.declare(vpn=an_instance(OIDC, {"server_url": "http://vpn.headscale.local:8080", "oidc": oidc}))
    secret = "headscale:instances.vpn.config.oidc.client_secret"
    stack.pulumi("config", "set", "--secret", "--path", secret, "hunter2", "--stack", stack.name)
    stack.up()
    return stack


class Browser:
    """Follows the redirects of a login: the server's name does not resolve on this machine."""

    def __init__(self, address):
        self.address = address
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar, _NoRedirect)

    def open(self, url, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            answer = self.opener.open(url.replace("http://vpn.headscale.local:8080", self.address), data, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers.get("Location"), answer.read()

    def sent_on(self, url, form=None):
        """Return where a page sends the browser."""
        status, location, text = self.open(url, form)
        assert status in {301, 302, 303, 307}, (url, status, text[:500])
        return urllib.parse.urljoin(url, location)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@requires_lab
def test_oidc_login_joins_a_node(with_oidc, cluster, node):
    address = f"http://{address_of(cluster, OIDC)}:8080"
    node.start()
    arguments = [f"--socket={node.socket}", "up", f"--login-server={address}", "--hostname=mine", "--timeout=60s"]
    with tempfile.TemporaryFile("w+") as output:
        up = subprocess.Popen([tools.path("tailscale"), *arguments], stdout=output, stderr=subprocess.STDOUT)
        try:
            link = eventually("a link to log in", lambda: _link(output), seconds=30)
            browser = Browser(address)
            login = browser.sent_on(link)
            callback = browser.sent_on(login, {"sub": "alice"})
            assert browser.open(callback)[0] == 200
            assert up.wait(30) == 0
        finally:
            up.kill()
            up.wait()

    (found,) = cluster.headscale("vpn", OIDC, "nodes", "list")
    assert found["given_name"] == "mine"
    assert found["user"]["provider"] == "oidc"


def _link(file):
    file.seek(0)
    found = re.search(r"https?://\S+/register/\S+", file.read())
    return found and found.group()


@requires_lab
def test_encrypted_stack_secret_is_nowhere_in_clear(with_oidc, cluster):
    with_oidc.preview("--diff", "--refresh")
    (variable,) = cluster.get("pod", "vpn-0", OIDC)["spec"]["containers"][0]["env"]
    source = variable["valueFrom"]["secretKeyRef"]

    assert cluster.secret(source["name"], OIDC) == {"oidc.client_secret": "hunter2"}
    assert "hunter2" not in with_oidc.file.read_text()
    assert "hunter2" not in "".join(config_of(cluster, OIDC).values())
    assert "hunter2" not in str(with_oidc.export())
    assert "hunter2" not in "".join(with_oidc.command_outputs)
