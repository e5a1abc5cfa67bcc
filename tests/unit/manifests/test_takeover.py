"""What lets the Kubernetes provider take over a StatefulSet that is in the cluster and not in the state."""

from headscale_component.manifests import stateful_set, wire
from headscale_component.spec import HeadscaleArgs

SPEC = HeadscaleArgs.model_validate({"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}})


def declared():
    return wire.plain(stateful_set.stateful_set("vpn", SPEC, config_map="vpn-config-1", addresses={}, environment=[]))


def test_stateful_set_takes_conflicting_fields():
    assert declared()["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"


def test_field_reference_is_as_the_server_completes_it():
    [_, sidecar] = declared()["spec"]["template"]["spec"]["containers"]
    [reference] = [value["valueFrom"]["fieldRef"] for value in sidecar["env"] if "valueFrom" in value]

    assert reference == {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
