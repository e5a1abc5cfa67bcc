"""Certificates and kubeconfigs of the lab's cluster, created once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from lab.state import KUBECONFIG, STATE

PKI = STATE / "pki"
ADDRESS = "10.98.0.1"
"""The machine's address in the lab, an alias on loopback: reachable from pods, not from other machines."""
SERVER = f"https://{ADDRESS}:16443"
FIRST_SERVICE_ADDRESS = "10.97.0.1"
NODE = "lab"

_NAMES = (
    f"IP:127.0.0.1,IP:{ADDRESS},IP:{FIRST_SERVICE_ADDRESS},DNS:localhost,DNS:{NODE},"
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
)


def make() -> None:
    """Create what is missing: a certificate authority, certificates that it signs, and kubeconfigs with them."""
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (PKI / "done").exists():
        return
    _openssl("req", "-x509", *_new_key("ca"), "-days", "3650", "-subj", "/CN=headscale-lab")
    _certificate("apiserver", "/CN=kube-apiserver", f"subjectAltName={_NAMES}")
    _certificate("kubelet-server", f"/CN={NODE}", f"subjectAltName={_NAMES}")
    _certificate("admin", "/O=system:masters/CN=lab-admin")
    _certificate("controller-manager", "/CN=system:kube-controller-manager")
    _certificate("scheduler", "/CN=system:kube-scheduler")
    _certificate("proxy", "/CN=system:kube-proxy")
    _certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE}")
    _openssl("genrsa", "-out", str(PKI / "accounts.key"), "2048")
    _openssl("rsa", "-in", str(PKI / "accounts.key"), "-pubout", "-out", str(PKI / "accounts.pub"))
    for name in ("controller-manager", "scheduler", "proxy", "kubelet"):
        _kubeconfig(name, PKI / f"{name}.kubeconfig")
    _kubeconfig("admin", KUBECONFIG)
    (PKI / "done").touch()


def _new_key(name: str) -> list[str]:
    return [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        str(PKI / f"{name}.key"),
        "-out",
        str(PKI / f"{name}.crt"),
    ]


def _certificate(name: str, subject: str, extension: str | None = None) -> None:
    options = ["-addext", extension] if extension else []
    _openssl(
        "req",
        "-x509",
        *_new_key(name),
        "-days",
        "3650",
        "-subj",
        subject,
        "-CA",
        str(PKI / "ca.crt"),
        "-CAkey",
        str(PKI / "ca.key"),
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "extendedKeyUsage=clientAuth,serverAuth",
        *options,
    )


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _kubeconfig(name: str, path: Path) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": SERVER, "certificate-authority": str(PKI / "ca.crt")}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": str(PKI / f"{name}.crt"), "client-key": str(PKI / f"{name}.key")},
            }
        ],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
    }
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
