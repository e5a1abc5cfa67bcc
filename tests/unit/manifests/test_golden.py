"""The manifests of the smallest and of the fullest instance, whole.

To change them on purpose, run `REWRITE_GOLDEN=1 make test-unit` and review the difference of the files.
"""

import os
import typing
from pathlib import Path

import pytest
import yaml

from headscale_component.render import documents, to_yaml
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config.references import SecretReference
from headscale_component.spec.model import SpecModel

GOLDEN = Path(__file__).parent / "golden"
NOT_IN_MANIFESTS = {
    "abandonData",
    "adoptUsers",
    "apiKeys",
    "connection",
    "keysOnUserDeletion",
    "preAuthKeys",
    "retain",
    "silence",
    "users",
}
NOT_WITH_THE_OTHERS = {
    "apiKey.autoManage": "without the sidecar its other fields mean nothing",
    "config.database.sqlite": "there is one database",
    "config.dns.extra_records": "Headscale takes them or `extra_records_path`",
    "config.ephemeral_node_inactivity_timeout": "before 0.29",
    "config.oidc.client_secret_path": "Headscale takes it or `client_secret`",
    "config.oidc.expiry": "before 0.29",
    "config.randomize_client_port": "before 0.29",
    "config.tls_letsencrypt_hostname": "Headscale takes it or `tls_cert_path`",
    "config.tuning.register_cache_cleanup": "before 0.29",
    "policy": "Headscale takes it or `config.policy.path`",
}


def written(name):
    return yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())


def models_in(annotation):
    """Return the models that an annotation mentions; a reference to a Secret is a value."""
    parts = typing.get_args(annotation)
    if parts:
        return {model for part in parts for model in models_in(part)}
    is_model = isinstance(annotation, type) and issubclass(annotation, SpecModel) and annotation is not SecretReference
    return {annotation} if is_model else set()


def unset_fields(model, written_parts, path=""):
    """Yield the paths of a model's fields that none of the written parts of a document sets."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        values = [part[key] for part in written_parts if isinstance(part, dict) and key in part]
        if not values:
            yield f"{path}{key}"
            continue
        # A mapping by names or a list of parts holds the fields one level further down.
        nested = [item for value in values if isinstance(value, dict) for item in value.values()]
        items = [item for value in values if isinstance(value, list) for item in value]
        for part in models_in(field.annotation):
            yield from unset_fields(part, [*values, *nested, *items], f"{path}{key}.")


@pytest.mark.parametrize("name", ["smallest", "fullest"])
def test_manifests_equal_the_golden_file(name):
    found = documents("vpn", HeadscaleArgs.model_validate(written(name)))
    golden = GOLDEN / f"{name}.manifests.yaml"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(to_yaml(found))

    assert found == list(yaml.safe_load_all(golden.read_text()))


def test_fullest_instance_sets_every_field():
    unset = set(unset_fields(HeadscaleArgs, [written("fullest")]))

    assert unset == NOT_IN_MANIFESTS | set(NOT_WITH_THE_OTHERS)
