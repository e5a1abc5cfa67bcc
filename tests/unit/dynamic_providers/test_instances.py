"""What a stack says of an instance that goes, or that is renamed."""

import pytest

from dynamic_providers.instances import InstancesProvider
from headscale_core.rollout.upgrade import is_another_minor, step_problem


def noted(namespace="headscale", *, retain=True, abandon_data=None):
    return {"namespace": namespace, "retain": retain, "abandon_data": abandon_data}


def failures(before, after):
    checked = InstancesProvider().check({"instances": before}, {"instances": after})
    return {failure.property: failure.reason for failure in checked.failures}


@pytest.fixture
def warnings(monkeypatch):
    warned = []
    monkeypatch.setattr("pulumi.log.warn", warned.append)
    return warned


def test_rename_in_a_namespace_takes_two_changes(warnings):
    refused = failures({"vpn": noted()}, {"tailnet": noted(abandon_data="headscale/vpn")})

    assert set(refused) == {"instances.vpn"}
    assert "PVC headscale/data-vpn-0 stays behind" in refused["instances.vpn"]
    assert "remove it in a change of its own" in refused["instances.vpn"]


def test_rename_to_another_namespace_needs_consent(warnings):
    refused = failures({"vpn": noted()}, {"tailnet": noted("other")})

    assert "`abandonData: headscale/vpn`" in refused["instances.vpn"]
    assert failures({"vpn": noted()}, {"tailnet": noted("other", abandon_data="headscale/vpn")}) == {}
    assert "every node has to join again" in warnings[0].lower()


@pytest.mark.parametrize(("retain", "fate"), [(True, "stays"), (False, "is deleted")])
def test_removed_instance_warns_of_its_data(warnings, retain, fate):
    assert failures({"vpn": noted(retain=retain), "b": noted()}, {"b": noted()}) == {}
    assert warnings[0].endswith(f"PVC headscale/data-vpn-0 with the database {fate}")


def test_removed_instance_may_have_moved_to_another_stack(warnings):
    """After `pulumi state move` the list is all that is left of it here; it must not read as if data were lost."""
    assert failures({"vpn": noted(), "b": noted()}, {"b": noted()}) == {}
    assert "If `pulumi state move` moved it to another stack, nothing happens to it" in warnings[0]
    refused = failures({"vpn": noted()}, {"b": noted()})
    assert "If `pulumi state move` moved it to another stack: add b in a change of its own" in refused["instances.vpn"]


def test_added_and_unchanged_instances_are_no_news(warnings):
    assert failures({"vpn": noted()}, {"vpn": noted(), "b": noted()}) == {}
    assert failures({}, {"vpn": noted()}) == {}
    assert warnings == []


@pytest.mark.parametrize(
    ("before", "after", "messages"),
    [
        ("v0.28.0", "v0.29.3", None),
        ("v0.29.1", "v0.29.3", None),
        ("v0.29.3", "v0.29.1", None),
        ("v0.26.1", "v0.28.0", None),
        (None, "v0.28.0", None),
        ("v0.29.3", "v0.28.0", "goes back"),
        ("v0.27.1", "v0.29.3", "skips 0.28"),
    ],
)
def test_step_to_another_version_is_taken_or_not(before, after, messages):
    problem = step_problem(before, after)

    assert (messages in problem) if messages else problem is None


def test_patch_release_is_the_same_minor():
    assert not is_another_minor("v0.29.1", "v0.29.3")
    assert is_another_minor("v0.28.0", "v0.29.3")


def test_order_and_absent_values_are_no_difference():
    provider = InstancesProvider()
    olds = {"instances": {"vpn": {"retain": True, "namespace": "a"}}}

    assert not provider.diff("instances", olds, {"instances": {"vpn": noted("a")}}).changes
    assert provider.diff("instances", olds, {"instances": {"vpn": noted("a", retain=False)}}).changes
