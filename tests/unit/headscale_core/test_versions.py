"""Headscale's versions and the table of features."""

import pytest

from headscale_core.rollout.upgrade import is_another_minor, step_problem
from headscale_core.values import versions
from headscale_core.values.versions import Feature, HeadscaleVersion

READ = {
    "v0.28.0": (0, 28),
    "0.28.1": (0, 28),
    "0.28": (0, 28),
    "v0.29.0-beta.1": (0, 29),
    "v0.29.0-rc1+build123": (0, 29),
    "v1.100.2": (1, 100),
}


@pytest.mark.parametrize(("text", "numbers"), READ.items(), ids=READ)
def test_version_is_read_up_to_its_minor(text, numbers):
    assert HeadscaleVersion.parse(text) == numbers


@pytest.mark.parametrize("text", ["", "latest", "v0", "28", "v0.x.1", "sha-0.28.0", "v\u0660.28.0"])
def test_other_text_is_refused_with_an_example(text):
    assert HeadscaleVersion.parse_or_none(text) is None
    with pytest.raises(ValueError, match=r"is no version of Headscale; write for example `v0\.28\.0`"):
        HeadscaleVersion.parse(text)


def test_versions_are_ordered_by_number_not_text():
    assert HeadscaleVersion.parse("v0.9.0") < HeadscaleVersion.parse("v0.28.0") < HeadscaleVersion.parse("v1.0.0")


def test_version_is_printed_without_its_patch_level():
    assert str(HeadscaleVersion.parse("v0.28.3")) == "0.28"


BOUNDS = {
    "no bound": (Feature(), [26, 27, 28, 29, 30]),
    "since": (versions.TAGS_ONLY_KEYS, [28, 29, 30]),
    "until": (versions.GRPC, [26, 27, 28, 29]),
    "one version": (versions.WIPES_ALL_KEYS_ON_USER_DELETION, [28]),
}


@pytest.mark.parametrize(("feature", "minors"), BOUNDS.values(), ids=BOUNDS)
def test_feature_is_in_versions_within_its_bounds(feature, minors):
    assert [minor for minor in range(26, 31) if feature.is_in(HeadscaleVersion(0, minor))] == minors


def test_prerelease_has_the_features_of_its_minor():
    assert versions.POLICY_CHECK.is_in(HeadscaleVersion.parse("v0.29.0-beta.1"))


STEPS = {
    ("v0.28.0", "v0.29.0-beta.1"): None,
    ("v0.29.0", "v0.29.0-beta.1"): None,
    ("v0.26.1", "v0.28.0"): None,
    ("v0.27.0", "v0.29.0"): "skips 0.28: ",
    ("v0.29.0-beta.1", "v0.28.0"): "goes back: ",
    (None, "v0.29.0"): None,
    ("latest", "v0.29.0"): None,
}


@pytest.mark.parametrize(("step", "problem"), STEPS.items(), ids=str)
def test_upgrade_step_is_judged_by_minor_version(step, problem):
    found = step_problem(*step)

    assert found == problem if problem is None else str(found).startswith(problem)


def test_patch_and_prerelease_are_no_other_minor():
    assert not is_another_minor("v0.29.0-beta.1", "v0.29.3")
    assert is_another_minor("v0.28.0", "v0.29.0-beta.1")
