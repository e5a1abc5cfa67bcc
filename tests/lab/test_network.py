"""The lab's rules are removed from real tables, in a network namespace that the test creates; no cluster is used."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.cluster import firewall, network
from lab.progress import wait_for

pytestmark = pytest.mark.e2e

OTHER_RULES = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:f2b-sshd - [0:0]
:ts-input - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -j ts-input
-A INPUT -p tcp -m tcp --dport 6443 -m comment --comment "allow the \\"KUBE-API\\"" -j ACCEPT
-A f2b-sshd -s 192.0.2.7/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
-A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
"""

LAB_RULES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-SEP-A - [0:0]
:CNI-b1f8 - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 10.245.0.5/32 -m comment --comment "name: \\"headscale-lab\\" id: \\"b1f8\\"" -j CNI-b1f8
-A CNI-b1f8 -d 10.245.0.0/24 -j ACCEPT
-A CNI-b1f8 ! -d 224.0.0.0/4 -j MASQUERADE
-A KUBE-SERVICES -d 10.97.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SVC-NPX46M4PTMTKRN6Y ! -s 10.245.0.0/24 -p tcp -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-NPX46M4PTMTKRN6Y -j KUBE-SEP-A
-A KUBE-SEP-A -s 10.98.0.1/32 -j KUBE-MARK-MASQ
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -i lab0 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
*mangle
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-IPTABLES-HINT - [0:0]
COMMIT
"""


@pytest.fixture
def namespace():
    """The name of a network namespace whose tables are empty.

    `ip netns add` would mount over `/run/netns`, where the namespaces of running pods are.
    """
    process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    created, name = Path(f"/proc/{process.pid}/ns/net"), Path("/run/netns/headscale-lab-test")
    try:
        current = Path("/proc/self/ns/net").readlink()
        wait_for("a network namespace", lambda: created.readlink() != current, seconds=5)
        name.parent.mkdir(exist_ok=True)
        name.touch()
        subprocess.run(["mount", "--bind", created, name], check=True)
        yield name.name
    finally:
        subprocess.run(["umount", name], check=False, capture_output=True)
        name.unlink(missing_ok=True)
        process.kill()
        process.wait()


def inside(namespace, *command, stdin=None):
    run = ["ip", "netns", "exec", namespace, *command]
    return subprocess.run(run, capture_output=True, text=True, check=True, input=stdin).stdout


def rules(namespace, family="iptables"):
    """Return what `iptables-save` prints, without its comments, which contain the time."""
    saved = inside(namespace, f"{family}-save")
    return [line for line in saved.splitlines() if not line.startswith("#")]


def remove(namespace, family):
    """Remove the lab's rules as `make down` does."""
    code = f"from lab.cluster import network; network._remove_rules({family!r}, [])"
    inside(namespace, sys.executable, "-c", code)


def test_removal_leaves_the_rules_of_others(namespace):
    inside(namespace, "iptables-restore", stdin=OTHER_RULES)
    before = rules(namespace)
    inside(namespace, "iptables-restore", "--noflush", stdin=LAB_RULES)
    # What was added while the lab ran stays as well.
    inside(namespace, "iptables", "-A", "f2b-sshd", "-s", "198.51.100.9", "-j", "DROP")

    remove(namespace, "iptables")

    after = rules(namespace)
    added = "-A f2b-sshd -s 198.51.100.9/32 -j DROP"
    assert added in after
    assert [line for line in after if line != added] == before
    assert firewall.removal("\n".join(after)) == ""


def test_removal_works_on_ip6tables(namespace):
    before = rules(namespace, "ip6tables")
    inside(namespace, "ip6tables", "-t", "mangle", "-N", "KUBE-KUBELET-CANARY")
    inside(namespace, "ip6tables", "-t", "nat", "-N", "KUBE-SERVICES")
    inside(namespace, "ip6tables", "-t", "nat", "-A", "OUTPUT", "-j", "KUBE-SERVICES")

    remove(namespace, "ip6tables")

    assert before == []
    assert not [line for line in rules(namespace, "ip6tables") if "KUBE" in line]


@pytest.mark.parametrize(
    ("address", "known", "is_lab"),
    [
        ("10.245.0.9/24", ["headscale-lab-test"], True),
        ("10.42.0.5/24", [], False),
        (None, [], True),
        (None, ["headscale-lab-test"], False),
        (None, None, False),
    ],
    ids=["pod address", "other runtime address", "empty new", "empty known", "empty unknown"],
)
def test_network_namespaces_of_other_runtimes_are_kept(namespace, address, known, is_lab):
    inside(namespace, "ip", "link", "add", "eth0", "type", "bridge")
    inside(namespace, "ip", "link", "set", "eth0", "up")
    if address:
        inside(namespace, "ip", "address", "add", address, "dev", "eth0")

    assert network._is_our_namespace(namespace, known) is is_lab
