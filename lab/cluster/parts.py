"""The commands and configuration files of the cluster's parts. Pure functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.cluster.certificates import ADDRESS, FIRST_SERVICE_ADDRESS, NODE, PKI
from lab.state import STATE

SERVICE_ADDRESSES = FIRST_SERVICE_ADDRESS.rpartition(".")[0] + ".0/24"
POD_ADDRESSES = "10.245.0.0/24"
BRIDGE = "lab0"
ETCD = "http://127.0.0.1:12379"
ETCD_PEERS = "http://127.0.0.1:12380"
CONTAINERD_SOCKET = STATE / "containerd.sock"
KUBELET_ROOT = STATE / "kubelet"
PAUSE_IMAGE = "localhost/headscale-lab-pause:1"

Command = list[str | Path]


def etcd() -> Command:
    """Return the command of etcd; without fsync, because the lab's data need not survive a power failure."""
    return [
        "etcd",
        f"--data-dir={STATE / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEERS}",
        f"--initial-advertise-peer-urls={ETCD_PEERS}",
        f"--initial-cluster=default={ETCD_PEERS}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(binary: Path) -> Command:
    """Return the command of kube-apiserver."""
    return [
        binary,
        f"--etcd-servers={ETCD}",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        "--secure-port=16443",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        f"--tls-cert-file={PKI / 'apiserver.crt'}",
        f"--tls-private-key-file={PKI / 'apiserver.key'}",
        f"--client-ca-file={PKI / 'ca.crt'}",
        f"--service-account-key-file={PKI / 'accounts.pub'}",
        f"--service-account-signing-key-file={PKI / 'accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--kubelet-client-certificate={PKI / 'apiserver.crt'}",
        f"--kubelet-client-key={PKI / 'apiserver.key'}",
        f"--kubelet-certificate-authority={PKI / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--authorization-mode=Node,RBAC",
    ]


def controller_manager(binary: Path) -> Command:
    """Return the command of kube-controller-manager."""
    return [
        binary,
        f"--kubeconfig={PKI / 'controller-manager.kubeconfig'}",
        f"--root-ca-file={PKI / 'ca.crt'}",
        f"--service-account-private-key-file={PKI / 'accounts.key'}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=16257",
    ]


def scheduler(binary: Path) -> Command:
    """Return the command of kube-scheduler."""
    return [
        binary,
        f"--kubeconfig={PKI / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=16259",
    ]


def containerd() -> Command:
    """Return the command of containerd."""
    return ["containerd", "--config", STATE / "containerd.toml"]


def kubelet(binary: Path) -> Command:
    """Return the command of kubelet."""
    return [
        binary,
        f"--kubeconfig={PKI / 'kubelet.kubeconfig'}",
        f"--config={STATE / 'kubelet.yaml'}",
        f"--root-dir={KUBELET_ROOT}",
        f"--hostname-override={NODE}",
        f"--node-ip={ADDRESS}",
    ]


def proxy(binary: Path) -> Command:
    """Return the command of kube-proxy."""
    return [binary, f"--config={STATE / 'proxy.yaml'}"]


def containerd_toml(*, may_adjust_oom_score: bool) -> str:
    """Return containerd's configuration.

    Args:
        may_adjust_oom_score: Whether the machine grants CAP_SYS_RESOURCE; without it runc fails with
            "can't get final child's PID from pipe: EOF" unless containerd is configured for it.
    """
    restrict = "false" if may_adjust_oom_score else "true"
    return f"""version = 2
root = "{STATE}/containerd"
state = "{STATE}/containerd-state"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {restrict}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{STATE}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{STATE}/containerd-opt"
"""


def kubelet_configuration() -> dict[str, Any]:
    """Return kubelet's configuration: what a small machine with one node needs."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "port": 16250,
        "healthzPort": 16248,
        "tlsCertFile": str(PKI / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet-server.key"),
        "authentication": {"x509": {"clientCAFile": str(PKI / "ca.crt")}, "anonymous": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/headscale-lab",
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": 250,
        "resolvConf": str(STATE / "resolv.conf"),
        "podLogsDir": str(STATE / "pod-logs"),
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "5s",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "protectKernelDefaults": False,
    }


def proxy_configuration() -> dict[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(PKI / "proxy.kubeconfig")},
        "clusterCIDR": POD_ADDRESSES,
        "hostnameOverride": NODE,
        "bindAddress": "127.0.0.1",
        "healthzBindAddress": "127.0.0.1:16256",
        "metricsBindAddress": "127.0.0.1:16249",
        # 0 leaves the machine's own settings as they are.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def network() -> dict[str, Any]:
    """Return the pods' network: a bridge whose addresses the host reaches directly."""
    return {
        "cniVersion": "1.0.0",
        "name": "headscale-lab",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(STATE / "cni-addresses"),
                    "ranges": [[{"subnet": POD_ADDRESSES}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
