"""Whether the cluster that answers is the one that is recorded in the state.

Three things identify it: the PVC's uid, the uid of the namespace kube-system, which is another one in each cluster
(https://opentelemetry.io/docs/specs/semconv/resource/k8s/#cluster), and the address of the API server. Each is kept by
its first eight characters, the address by those of its hash: that is enough to distinguish them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headscale_core.rollout.rollout import InstanceLocation

_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of the cluster and the PVC of an instance.

    Attributes:
        pvc_uids: The PVC's uid; the state may know an earlier one besides. Empty where there is no PVC, or where none
            is known.
        cluster: The uid of the namespace kube-system; empty where it is not known.
        server: A hash of the API server's address; empty where it is not known.
    """

    pvc_uids: frozenset[str] = frozenset()
    cluster: str = ""
    server: str = ""

    @classmethod
    def of(cls, pvc_uid: object, cluster: object, server: object) -> Identity:
        """Return the identity of a PVC's uid, a cluster's uid and an address, each None or empty where not known."""
        return cls(
            frozenset({str(pvc_uid)[:_LENGTH]} if pvc_uid else ()),
            str(cluster or "")[:_LENGTH],
            hashlib.sha256(str(server).encode()).hexdigest()[:_LENGTH] if server else "",
        )

    def __or__(self, other: Identity) -> Identity:
        """Return what both know together; of two clusters the first."""
        return Identity(self.pvc_uids | other.pvc_uids, self.cluster or other.cluster, self.server or other.server)


def database_id(location: InstanceLocation, pvc_uid: object, cluster: object, server: object) -> str:
    """Return the id of a database, with that of its cluster where that is known.

    Args:
        location: The instance.
        pvc_uid: The PVC's uid; None where there is none.
        cluster: The uid of the namespace kube-system; empty where it is not known.
        server: The address of the API server; None where it is not known.
    """
    found = Identity.of(pvc_uid, cluster, server)
    where = f"-{found.cluster}-{found.server}" if found.cluster or found.server else ""
    return f"{location}/{str(pvc_uid or '')[:_LENGTH]}{where}"


def is_of_another_pvc(database: str, pvc_uid: str) -> bool:
    """Return whether the id of a database names another PVC; False where it names none.

    Args:
        database: What `database_id` returned.
        pvc_uid: The PVC's uid.
    """
    known = database.rpartition("/")[2].partition("-")[0]
    return bool(known) and not pvc_uid.startswith(known)


def identity_in(props: Mapping[str, Any], location: InstanceLocation) -> Identity:
    """Return what a resource's state knows of its cluster; nothing where it knows nothing.

    Args:
        props: The state: of a `Preflight` or a `Rollout`, or of what has a `database`.
        location: The instance.
    """
    known = Identity.of(props.get("claim"), props.get("cluster_id"), props.get("server"))
    before, _, database = str(props.get("database") or "").rpartition("/")
    if before != str(location):
        return known
    # Earlier versions have the PVC alone.
    pvc_uid, cluster, server, *_ = (*database.split("-"), "", "")
    return known | Identity(frozenset(filter(None, (pvc_uid,))), cluster, server)


def is_another_cluster(state: Identity, now: Identity) -> bool:
    """Return whether another cluster answers than the one of the state; False where that cannot be determined.

    A PVC that was recreated has another uid in the same cluster.

    Args:
        state: What the state knows.
        now: What the cluster shows.
    """
    if state.pvc_uids & now.pvc_uids:
        return False
    if state.cluster and now.cluster:
        return state.cluster != now.cluster
    return bool(state.pvc_uids and state.server and now.server and state.server != now.server)


def is_wrong_cluster(state: Identity, now: Identity) -> bool:
    """Return whether nothing may be concluded from what the cluster shows: it is another one.

    Where there is no PVC, a cluster of the same address is the same one, recreated.

    Args:
        state: What the state knows.
        now: What the cluster shows.
    """
    is_elsewhere = bool(state.server and now.server and state.server != now.server)
    return is_another_cluster(state, now) and (bool(now.pvc_uids) or is_elsewhere)
