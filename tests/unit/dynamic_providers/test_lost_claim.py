"""A refresh that finds no PVC, and the update after it, by which there is another one with an empty database."""

import pytest

from .test_rollout_lifecycle import (  # noqa: F401 - fixtures
    CLAIM,
    NEWS,
    cluster,
    create_claim,
    provider,
)


@pytest.fixture
def refreshed(cluster, provider):  # noqa: F811 - fixtures
    """The id and the state after a refresh that found no PVC."""
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    del cluster.objects[CLAIM]
    read = provider.read(made.id, dict(made.outs))
    return read.id, read.outs


def test_new_claim_after_lost_one_is_warned_of(cluster, provider, refreshed):  # noqa: F811 - fixtures
    id_, state = refreshed
    create_claim(cluster)

    provider.update(id_, {**state, "is_settled": False}, provider.check(state, dict(NEWS)).inputs)

    assert [warning for warning in cluster.warnings if "PVC headscale/data-vpn-0 is another one" in warning]


def test_claim_that_comes_back_is_no_warning(cluster, provider):  # noqa: F811 - fixtures
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    claim = cluster.objects.pop(CLAIM)
    state = provider.read(made.id, dict(made.outs)).outs
    cluster.objects[CLAIM] = claim

    provider.update(made.id, {**state, "is_settled": False}, provider.check(state, dict(NEWS)).inputs)

    assert cluster.warnings == []


def test_first_claim_is_no_warning(cluster, provider):  # noqa: F811 - fixtures
    """A stack that begins with `replicas: 0` has none."""
    claim = cluster.objects.pop(CLAIM)
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    cluster.objects[CLAIM] = claim

    provider.update(made.id, {**made.outs, "is_settled": False}, provider.check(made.outs, dict(NEWS)).inputs)

    assert cluster.warnings == []
