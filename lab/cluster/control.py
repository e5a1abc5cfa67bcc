"""Start and remove the cluster. Both are idempotent, whatever state they find."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import yaml

from lab import packages, processes, tools
from lab.cluster import certificates, network, parts
from lab.progress import LabError, say, step, wait_for
from lab.state import BIN, KUBECONFIG, LOGS, PIDS, REPOSITORY, STATE

GROUP = "headscale-lab"
"""The control group under which all pods run."""

_PARTS = (
    "provisioner",
    "kube-proxy",
    "kubelet",
    "kube-scheduler",
    "kube-controller-manager",
    "containerd",
    "kube-apiserver",
    "etcd",
)
"""The processes, in the order in which they are stopped."""

_STATEFUL_PARTS = ("containerd", "etcd")
"""The processes that hold containers and cluster data. If one has ended, the cluster is recreated."""


def up() -> None:
    """Create the cluster, restart parts that are missing, or recreate a broken one."""
    packages.install()
    if is_broken():
        say("the lab was not stopped with `make down` (did the machine restart?): recreating it")
        down()
    binaries = {name: tools.path(name) for name in tools.KUBERNETES.programs}
    STATE.mkdir(parents=True, exist_ok=True)
    certificates.make()
    network.prepare()
    _write_configuration()
    with step("starting the control plane, waiting for the API server"):
        processes.start("etcd", parts.etcd())
        processes.start("kube-apiserver", parts.api_server(binaries["kube-apiserver"]))
        wait_for("the API server", _api_is_ready, seconds=90, on_failure=lambda: processes.log_tail("kube-apiserver"))
        processes.start("kube-controller-manager", parts.controller_manager(binaries["kube-controller-manager"]))
        processes.start("kube-scheduler", parts.scheduler(binaries["kube-scheduler"]))
    with step("starting the node, waiting for it to be ready"):
        _make_control_groups()
        processes.start("containerd", parts.containerd())
        wait_for(
            "containerd",
            parts.CONTAINERD_SOCKET.exists,
            seconds=30,
            on_failure=lambda: processes.log_tail("containerd"),
        )
        processes.start("kubelet", parts.kubelet(binaries["kubelet"]))
        processes.start("kube-proxy", parts.proxy(binaries["kube-proxy"]))
        processes.start("provisioner", _provisioner(), {"PYTHONPATH": str(REPOSITORY)})
        wait_for("the node", _node_is_ready, seconds=120, on_failure=lambda: processes.log_tail("kubelet"))
        wait_for(
            "service accounts",
            _accounts_work,
            seconds=60,
            on_failure=lambda: processes.log_tail("kube-controller-manager"),
        )


def down() -> None:
    """Stop the cluster and remove everything that it created, on disk and in the kernel."""
    if not STATE.exists():
        network.restore()
        return
    _end_orphaned_plugins()
    with step("stopping the cluster"):
        for name in _PARTS[:5]:
            processes.stop(name)
        _end_containers()
        for name in _PARTS[5:]:
            processes.stop(name)
    with step("removing mounts, network and files"):
        _unmount()
        network.restore()
        rules = network.leftovers()
        _remove_control_groups()
        shutil.rmtree(STATE, ignore_errors=True)
    left = list(dict.fromkeys([*rules, *leftovers()]))
    if left:
        raise LabError("these could not be removed:\n" + "\n".join(left), "stop what uses them and run it again")


def is_broken() -> bool:
    """Return whether containerd or etcd of an existing lab has ended: its pods would never start or stop."""
    return STATE.exists() and any((PIDS / name).exists() and not processes.running(name) for name in _STATEFUL_PARTS)


def leftovers() -> list[str]:
    """Return what the lab left on the machine, besides the cache."""
    found = [f"mount: {mount}" for mount in _mounts()]
    found += [f"process: {pid} {name}" for pid, name in _processes()]
    found += network.leftovers()
    found += [f"control group: {group}" for group in _control_groups()]
    return [*found, f"folder: {STATE}"] if STATE.exists() else found


def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl against the lab's cluster."""
    command = [str(tools.path("kubectl")), f"--kubeconfig={KUBECONFIG}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _write_configuration() -> None:
    may_adjust = bool(_capabilities() & (1 << 24))
    (STATE / "containerd.toml").write_text(parts.containerd_toml(may_adjust_oom_score=may_adjust))
    (STATE / "kubelet.yaml").write_text(yaml.safe_dump(parts.kubelet_configuration()))
    (STATE / "proxy.yaml").write_text(yaml.safe_dump(parts.proxy_configuration()))
    (STATE / "resolv.conf").write_text("")
    (STATE / "cni").mkdir(exist_ok=True)
    (STATE / "cni" / "10-lab.conflist").write_text(json.dumps(parts.network()))


def _capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")), 16)


def _provisioner() -> parts.Command:
    import sys  # noqa: PLC0415 - only to name the interpreter

    return [sys.executable, "-m", "lab.cluster.provisioner"]


def _api_is_ready() -> bool:
    return kubectl("get", "--raw", "/readyz").returncode == 0


def _node_is_ready() -> bool:
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    return kubectl("get", "node", certificates.NODE, "-o", f"jsonpath={condition}").stdout == "True"


def _accounts_work() -> bool:
    found = kubectl("get", "serviceaccount/default", "configmap/kube-root-ca.crt", "-n", "default")
    return found.returncode == 0


def _end_orphaned_plugins() -> None:
    """Stop the plugins of an engine that was killed: they outlive it, each in a process group of its own."""
    for pid, command in _processes():
        with contextlib.suppress(OSError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            if str(BIN.parent) in command and parent == "1" and os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGTERM)


def _end_containers() -> None:
    """Stop all containers: through containerd while it runs, then their remaining processes."""
    ctr = ["ctr", "--address", str(parts.CONTAINERD_SOCKET), "-n", "k8s.io"]
    if processes.running("containerd"):
        listed = subprocess.run([*ctr, "task", "list", "-q"], capture_output=True, text=True, check=False).stdout
        for task in listed.split():
            subprocess.run([*ctr, "task", "kill", "-s", "SIGKILL", task], capture_output=True, check=False)
    for pid, _ in _processes(only_containers=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _processes(only_containers=True) and time.monotonic() < deadline:
        time.sleep(0.2)


def _processes(*, only_containers: bool = False) -> list[tuple[int, str]]:
    """Return processes that are provably the lab's: they run from its folder, or in its control group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = (entry / "cgroup").read_text()
            container = f"/{GROUP}/" in groups or ("containerd-shim" in command and str(STATE) in command)
            if container or (not only_containers and str(STATE) in command and "lab down" not in command):
                found.append((int(entry.name), command[:80]))
    return found


def _mounts() -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for point in points if point.startswith(str(STATE))]


def _unmount() -> None:
    for point in sorted(_mounts(), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def _make_control_groups() -> None:
    """Create the control group of all pods, by which their processes are known to be the lab's."""
    root = Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    for parent in [root] if unified else [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]:
        group = parent / GROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not unified and (parent / name).exists():
                (group / name).write_text((parent / name).read_text())


def _control_groups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [*root.glob(GROUP), *root.glob(f"*/{GROUP}")]


def _remove_control_groups() -> None:
    for top in _control_groups():
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


__all__ = ["LOGS", "down", "is_broken", "kubectl", "leftovers", "up"]
