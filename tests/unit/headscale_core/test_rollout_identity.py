"""When another cluster answers than the one that the state speaks of."""

import pytest

from headscale_core.rollout.identity import (
    Identity,
    database_id,
    identity_in,
    is_another_cluster,
    is_wrong_cluster,
)
from headscale_core.rollout.rollout import InstanceLocation

PLACE = InstanceLocation("headscale", "vpn")
CLAIM, OTHER_CLAIM = "11111111-aaaa", "22222222-bbbb"
CLUSTER, OTHER_CLUSTER = "33333333-cccc", "44444444-dddd"
HERE, THERE = "https://here", "https://there"


def identity(claim=CLAIM, cluster=CLUSTER, server=HERE):
    return Identity.of(claim, cluster, server)


@pytest.mark.parametrize(
    ("state", "now", "is_another"),
    [
        (identity(), identity(), False),
        (identity(), identity(server=THERE), False),
        (identity(), identity(OTHER_CLAIM, OTHER_CLUSTER), True),
        (identity(), identity(OTHER_CLAIM, server=THERE), False),
        (identity(cluster=""), identity(OTHER_CLAIM, OTHER_CLUSTER, THERE), True),
        (identity(cluster=""), identity(OTHER_CLAIM), False),
        (identity(), identity(OTHER_CLAIM, "", THERE), True),
        (identity(server=None), identity(OTHER_CLAIM, ""), False),
        (identity(None, ""), identity(OTHER_CLAIM, "", THERE), False),
        (identity(cluster=""), identity(None, "", THERE), True),
    ],
    ids=[
        "same",
        "same PVC at another address",
        "another cluster at the same address",
        "recreated PVC in the same cluster",
        "another address, cluster not known before",
        "recreated PVC at the same address",
        "another address, cluster not readable now",
        "nothing but another PVC",
        "nothing but another address",
        "another address without PVC",
    ],
)
def test_cluster_is_another_or_not(state, now, is_another):
    assert is_another_cluster(state, now) is is_another


@pytest.mark.parametrize(
    ("now", "is_wrong"),
    [
        (identity(OTHER_CLAIM, OTHER_CLUSTER), True),
        (identity(None, OTHER_CLUSTER), False),
        (identity(None, OTHER_CLUSTER, THERE), True),
        (identity(None, CLUSTER, THERE), False),
    ],
    ids=["has such an instance", "recreated at the same address", "elsewhere without PVC", "same without PVC"],
)
def test_recreated_cluster_is_not_wrong(now, is_wrong):
    assert is_wrong_cluster(identity(), now) is is_wrong


@pytest.mark.parametrize("cluster", [(CLUSTER, HERE), ("", HERE), (CLUSTER, None)])
def test_database_id_is_read_back(cluster):
    database = database_id(PLACE, CLAIM, *cluster)

    assert identity_in({"database": database}, PLACE) == identity(CLAIM, *cluster)


@pytest.mark.parametrize(
    ("props", "found"),
    [
        ({"database": "headscale/vpn/11111111"}, identity(CLAIM, "", None)),
        ({"database": "headscale/vpn/"}, Identity()),
        ({"database": "other/vpn/11111111"}, Identity()),
        ({"database": "anything"}, Identity()),
        ({"claim": CLAIM, "server": HERE}, identity(CLAIM, "")),
        ({"cluster_id": CLUSTER, "server": HERE}, identity(None)),
        ({"username": "alice"}, Identity()),
    ],
)
def test_identity_is_read_from_any_state(props, found):
    assert identity_in(props, PLACE) == found
