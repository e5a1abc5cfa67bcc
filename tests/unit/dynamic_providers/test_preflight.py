"""What is refused before any object of an instance changes."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.failures import Refusal
from dynamic_providers.preflight import PreflightProvider

OLD = {"instance": "vpn", "namespace": "headscale", "version": "v0.28.0", "policy": None, "retain": True}


def difference(**changes):
    provider = PreflightProvider()
    provider.configure(ConfigureRequest(Config({"headscale:instance": "vpn", "headscale:namespace": "ns"}, "p")))
    return provider.diff("preflight", OLD, {**OLD, **changes})


@pytest.mark.parametrize(
    "changes", [{"namespace": "vpn2"}, {"instance": "b"}, {"namespace": "b", "abandon_data": "b/vpn"}]
)
def test_move_without_consent_is_refused(changes):
    with pytest.raises(Refusal, match="`abandonData: headscale/vpn`"):
        difference(**changes)


def test_move_with_consent_is_an_update():
    assert difference(namespace="vpn2", abandon_data="headscale/vpn").changes


def test_nothing_changed_is_no_difference():
    assert not difference().changes
    assert difference(version="v0.29.3").changes
