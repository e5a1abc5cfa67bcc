"""Misspelt fields under `pod` are found before the API server sees them."""

import pulumi_kubernetes as k8s
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from headscale_component import HeadscaleArgs, SpecError
from headscale_component.spec.pod_types import types

SDK = {
    "ResourceRequirements": k8s.core.v1.ResourceRequirementsArgs,
    "Toleration": k8s.core.v1.TolerationArgs,
    "Affinity": k8s.core.v1.AffinityArgs,
    "VolumeMount": k8s.core.v1.VolumeMountArgs,
    "TopologySpreadConstraint": k8s.core.v1.TopologySpreadConstraintArgs,
    "Volume": k8s.core.v1.VolumeArgs,
    "Container": k8s.core.v1.ContainerArgs,
}


def an_instance(pod):
    return {"version": "v0.29.3", "config": {"server_url": "https://vpn.example.com"}, "pod": pod}


@pytest.mark.parametrize("kind", SDK)
def test_fields_are_those_of_the_sdk(kind):
    assert set(input_type_py_to_pulumi_names(SDK[kind]).values()) <= types()[kind]["properties"].keys()


BAD = {
    "volume": ({"volumes": [{"name": "x", "emptydir": {}}]}, "pod.volumes[0].emptydir: unknown key", "emptyDir"),
    "resources": ({"resources": {"request": {}}}, "pod.resources.request: unknown key", "requests"),
    "toleration": ({"tolerations": [{"operater": "Exists"}]}, "pod.tolerations[0].operater", "operator"),
    "container": ({"containers": [{"name": "x", "imag": "x"}]}, "pod.containers[0].imag", "image"),
    "affinity": ({"affinity": {"podAntiaffinity": {}}}, "pod.affinity.podAntiaffinity", "podAntiAffinity"),
    "amount of CPU": ({"resources": {"requests": {"cpu": "lots"}}}, "pod.resources.requests.cpu: `lots`", "100m"),
    "amount of memory": ({"resources": {"limits": {"memory": "1GB"}}}, "pod.resources.limits.memory: `1GB`", "128Mi"),
}


@pytest.mark.parametrize(("pod", "place", "remedy"), BAD.values(), ids=BAD)
def test_misspelt_field_names_the_right_one(pod, place, remedy):
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate(an_instance(pod))

    (problem,) = caught.value.problems
    assert str(problem).startswith(place)
    assert f"`{remedy}`" in problem.message


GOOD = {
    "snake case": {
        "volumes": [{"name": "x", "empty_dir": {}}],
        "topology_spread_constraints": [
            {"max_skew": 1, "topology_key": "zone", "when_unsatisfiable": "DoNotSchedule", "label_selector": {}}
        ],
    },
    "field of a newer Kubernetes": {"containers": [{"name": "x", "image": "x", "restartPolicyRules": []}]},
    "amounts": {"resources": {"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"cpu": "0.5", "memory": "1e9"}}},
}


@pytest.mark.parametrize("pod", GOOD.values(), ids=GOOD)
def test_fields_that_may_be_are_accepted(pod):
    HeadscaleArgs.model_validate(an_instance(pod))
