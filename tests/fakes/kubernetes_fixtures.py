"""The fixture of the contract of Kubernetes, on the fake."""

import contextlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headscale_sidecar.kubernetes import ApiServer
from tests.fakes.kubernetes import FakeKubernetes

NAMESPACE = "/namespaces/headscale"


@dataclass
class ServedKubernetes:
    """A fake API server with an instance's StatefulSet and PVC; see `tests/contract/test_kubernetes.py`."""

    server: FakeKubernetes
    pod: ApiServer
    namespace: str = "headscale"

    @property
    def kubeconfig(self):
        return self.server.kubeconfig


@pytest.fixture(scope="session")
def pod_account(tmp_path_factory):
    """A pod's account folder, with what the API server shows in TLS."""
    folder = tmp_path_factory.mktemp("account")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for file in ("tls.crt", "ca.crt"):
        (folder / file).write_bytes(certificate.public_bytes(pem))
    (folder / "tls.key").write_bytes(key.private_bytes(pem, *plain))
    (folder / "token").write_text("token\n")
    return folder


@pytest.fixture
def kubernetes(pod_account):
    server = FakeKubernetes()
    server.create(f"/apis/apps/v1{NAMESPACE}/statefulsets", {"metadata": {"name": "vpn"}, "spec": {"replicas": 0}})
    server.create(f"/api/v1{NAMESPACE}/persistentvolumeclaims", {"metadata": {"name": "data-vpn-0"}})
    with contextlib.ExitStack() as ends:
        ends.enter_context(server.serving())
        yield ServedKubernetes(server, ends.enter_context(server.serving_a_pod(pod_account)))
