"""When the sidecar may leave a Headscale open that has no policy."""

import pytest

from headscale_component.render import documents
from headscale_component.spec import HeadscaleArgs

DECLARED = {"acls": []}
CASES = {
    "nothing is declared": ({}, {}, "true"),
    "a policy is declared": ({}, {"policy": DECLARED}, None),
    "an empty policy is declared": ({}, {"policy": {}}, None),
    "the policy is in a file": (
        {"policy": {"mode": "file", "path": "/etc/policy/p.hujson"}},
        {"files": {"/etc/policy/p.hujson": {"inline": "{}"}}},
        None,
    ),
    "no policy is in a file": ({"policy": {"mode": "file"}}, {}, None),
}


def variables(config, **fields):
    """Return the sidecar's variables."""
    spec = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com", **config}, **fields}
    objects = documents("vpn", HeadscaleArgs.model_validate(spec))
    (workload,) = [found for found in objects if found["kind"] == "StatefulSet"]
    containers = {found["name"]: found for found in workload["spec"]["template"]["spec"]["containers"]}
    return {found["name"]: found.get("value") for found in containers["apikey-manager"]["env"]}


@pytest.mark.parametrize(("config", "fields", "value"), CASES.values(), ids=CASES)
def test_tailnet_is_open_where_no_policy_is_declared(config, fields, value):
    assert variables(config, **fields).get("OPEN_WITHOUT_POLICY") == value


def test_change_of_declared_policy_keeps_the_pod():
    assert variables({}, policy=DECLARED) == variables({}, policy={"acls": [], "hosts": {"a": "10.0.0.1"}})
