"""A refresh that finds no PVC, and the update after it, by which there is another one with an empty database."""

import pytest

from .test_rollout_lifecycle import (  # noqa: F401 - fixtures
    NEWS,
    PVC,
    cluster,
    create_pvc,
    provider,
)


@pytest.fixture
def refreshed(cluster, provider):  # noqa: F811 - fixtures
    """The id and the state after a refresh that found no PVC."""
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    del cluster.objects[PVC]
    read = provider.read(made.id, dict(made.outs))
    return read.id, read.outs


def test_new_pvc_after_lost_one_is_warned_of(cluster, provider, refreshed):  # noqa: F811 - fixtures
    id_, state = refreshed
    create_pvc(cluster)

    provider.update(id_, {**state, "is_settled": False}, provider.check(state, dict(NEWS)).inputs)

    assert [warning for warning in cluster.warnings if "PVC headscale/data-vpn-0 is another one" in warning]


def test_pvc_that_comes_back_is_no_warning(cluster, provider):  # noqa: F811 - fixtures
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    pvc = cluster.objects.pop(PVC)
    state = provider.read(made.id, dict(made.outs)).outs
    cluster.objects[PVC] = pvc

    provider.update(made.id, {**state, "is_settled": False}, provider.check(state, dict(NEWS)).inputs)

    assert cluster.warnings == []


def test_first_pvc_is_no_warning(cluster, provider):  # noqa: F811 - fixtures
    """A stack that begins with `replicas: 0` has none."""
    pvc = cluster.objects.pop(PVC)
    made = provider.create(provider.check({}, dict(NEWS)).inputs)
    cluster.objects[PVC] = pvc

    provider.update(made.id, {**made.outs, "is_settled": False}, provider.check(made.outs, dict(NEWS)).inputs)

    assert cluster.warnings == []
