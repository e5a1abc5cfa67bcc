"""The manifests of the smallest and of the fullest instance, whole.

A change that is meant: `REWRITE_GOLDEN=1 make test-unit`, and review the difference of the files.
"""

import os
from pathlib import Path

import pytest
import yaml

from headscale_component.render import documents
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.pod import PodSpec

GOLDEN = Path(__file__).parent / "golden"
OUTSIDE_THE_MANIFESTS = {
    "abandonData",
    "adoptUsers",
    "apiKeys",
    "connection",
    "keysOnUserDeletion",
    "policy",
    "preAuthKeys",
    "retain",
    "users",
}


def written(name):
    return yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", ["smallest", "fullest"])
def test_manifests_equal_the_golden_file(name):
    found = documents("vpn", HeadscaleArgs.model_validate(written(name)))
    golden = GOLDEN / f"{name}.manifests.yaml"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(yaml.safe_dump_all(found, sort_keys=False))

    assert found == list(yaml.safe_load_all(golden.read_text()))


def test_fullest_instance_sets_every_field():
    fields = {field.alias or name for name, field in HeadscaleArgs.model_fields.items()}
    of_pod = {field.alias or name for name, field in PodSpec.model_fields.items()}

    assert set(written("fullest")) == fields - OUTSIDE_THE_MANIFESTS
    assert set(written("fullest")["pod"]) == of_pod
