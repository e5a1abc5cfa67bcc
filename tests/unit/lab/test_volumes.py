"""What the volume provisioner decides."""

from decimal import Decimal
from pathlib import Path

import pytest

from lab.cluster import volumes


def a_claim(name="data", *, storage_class="lab", asks="1Gi", has=None, volume=None, **metadata):
    claim = {
        "metadata": {"name": name, "namespace": "home", "uid": f"uid-{name}", **metadata},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": asks}},
        },
        "status": {"phase": "Pending"},
    }
    if volume:
        claim["spec"]["volumeName"] = volume
        claim["status"] = {"phase": "Bound", "capacity": {"storage": has or asks}}
    return claim


def a_volume(name="pvc-1", phase="Bound", by=volumes.PROVISIONER):
    return {
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": by}},
        "status": {"phase": phase},
    }


SELECTED = {"annotations": {"volume.kubernetes.io/selected-node": "lab"}}


def test_default_class_waits_for_consumer_and_grows():
    manifest = volumes.CLASSES["lab"].manifest()

    assert manifest["volumeBindingMode"] == "WaitForFirstConsumer"
    assert manifest["allowVolumeExpansion"] is True
    assert manifest["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_other_classes_are_immediate_and_fixed():
    immediate, fixed = (volumes.CLASSES[name].manifest() for name in ("lab-immediate", "lab-fixed"))

    assert (immediate["volumeBindingMode"], immediate["allowVolumeExpansion"]) == ("Immediate", True)
    assert (fixed["volumeBindingMode"], fixed["allowVolumeExpansion"]) == ("WaitForFirstConsumer", False)
    for manifest in (immediate, fixed):
        assert manifest["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "false"}
        assert manifest["provisioner"] == volumes.CLASSES["lab"].manifest()["provisioner"]


@pytest.mark.parametrize("storage_class", ["lab", "lab-fixed"])
def test_pvc_waits_until_node_is_selected(storage_class):
    waiting = a_claim(storage_class=storage_class)
    selected = a_claim("other", storage_class=storage_class, **SELECTED)

    assert volumes.unprovisioned([waiting, selected]) == [selected]


def test_immediate_pvc_needs_no_selected_node():
    claim = a_claim(storage_class="lab-immediate")

    assert volumes.unprovisioned([claim]) == [claim]


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(storage_class="gold", **SELECTED),
        a_claim(volume="pvc-1", **SELECTED),
        a_claim(**SELECTED, deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
    ids=["other class", "bound", "deleted"],
)
def test_other_pvcs_get_no_volume(claim):
    assert volumes.unprovisioned([claim]) == []


def test_volume_has_class_and_size_of_pvc():
    claim = a_claim(storage_class="lab-immediate", asks="256Mi")

    volume = volumes.volume(claim, Path("/volumes/pvc-uid-data"))

    assert volume["metadata"]["name"] == "pvc-uid-data"
    assert volume["spec"]["storageClassName"] == "lab-immediate"
    assert volume["spec"]["capacity"] == {"storage": "256Mi"}
    assert volume["spec"]["claimRef"]["uid"] == "uid-data"


def test_resizes_are_bound_pvcs_requesting_more():
    grown = a_claim("grown", volume="pvc-1", asks="2Gi", has="1Gi")
    same = a_claim("same", volume="pvc-2", asks="1024Mi", has="1Gi")
    smaller = a_claim("smaller", volume="pvc-3", asks="512Mi", has="1Gi")
    unbound = a_claim("unbound", asks="2Gi")
    elsewhere = a_claim("elsewhere", storage_class="gold", volume="pvc-9", asks="2Gi", has="1Gi")
    existing = [a_volume(f"pvc-{number}") for number in (1, 2, 3)] + [a_volume("pvc-9", by="csi.example.com")]

    found = volumes.growths([grown, same, smaller, unbound, elsewhere], existing)

    assert found == [volumes.Growth(grown, "pvc-1", "2Gi")]


def test_growth_is_finished_in_volume_and_status():
    growth = volumes.Growth(a_claim(), "pvc-1", "2Gi")

    assert volumes.grown_volume(growth) == {"spec": {"capacity": {"storage": "2Gi"}}}
    assert volumes.grown_claim(growth) == {"status": {"capacity": {"storage": "2Gi"}, "conditions": None}}


def test_resize_event_names_pvc_and_resizer():
    event = volumes.growth_event(volumes.Growth(a_claim(), "pvc-1", "2Gi"), "2026-01-01T00:00:00Z")

    assert event["reason"] == "VolumeResizeSuccessful"
    assert event["involvedObject"]["uid"] == "uid-data"
    assert event["source"] == {"component": volumes.PROVISIONER}


def test_released_volumes_of_every_class_are_reclaimed():
    existing = [
        a_volume("gone", "Released"),
        a_volume("used", "Bound"),
        a_volume("others", "Released", by="csi.example.com"),
        {"metadata": {"name": "by-hand"}, "status": {"phase": "Released"}},
    ]

    assert volumes.released(existing) == ["gone"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1Ki", 1024), ("1.5Gi", 1610612736), ("1G", 10**9), ("1e3", 1000), ("128974848000m", 128974848)],
)
def test_quantity_is_read_in_bytes(text, size):
    assert volumes.quantity(text) == Decimal(size)


@pytest.mark.parametrize("text", ["", "one", "1 Gi", "1GiB"])
def test_wrong_quantity_is_refused(text):
    with pytest.raises(ValueError, match="is not a quantity"):
        volumes.quantity(text)
