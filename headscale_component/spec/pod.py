"""Additions to the pod, in Kubernetes' own fields.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from headscale_component.spec.config.references import KeyReference
from headscale_component.spec.kubernetes_values import Labels, ReadableText, VariableName
from headscale_component.spec.model import OrOutput, SpecModel
from headscale_component.spec.pod_types import part_of_pod
from headscale_component.spec.values import DnsSubdomain
from headscale_core.defaults import (
    COMPONENT_LABEL,
    INSTANCE_LABEL,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    VERSION_LABEL,
)
from headscale_core.values import metadata

COMPONENT_LABELS = (COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, NAME_LABEL, PART_OF_LABEL, VERSION_LABEL)

Resources = Annotated[dict[str, Any], *part_of_pod("ResourceRequirements")]
Volume = Annotated[dict[str, Any], *part_of_pod("Volume")]
VolumeMount = Annotated[dict[str, Any], *part_of_pod("VolumeMount")]
Container = Annotated[dict[str, Any], *part_of_pod("Container")]
Toleration = Annotated[dict[str, Any], *part_of_pod("Toleration")]
Affinity = Annotated[dict[str, Any], *part_of_pod("Affinity")]
TopologySpreadConstraint = Annotated[dict[str, Any], *part_of_pod("TopologySpreadConstraint")]


def _not_ours(labels: dict[str, str]) -> dict[str, str]:
    taken = sorted(set(labels) & set(COMPONENT_LABELS))
    if taken:
        raise ValueError(f"`{taken[0]}` is a label of this component's own; leave it out")
    return labels


def _not_the_configurations(name: str) -> str:
    if name.startswith("HEADSCALE_") and not name.startswith("HEADSCALE_DEBUG_"):
        raise ValueError(f"`{name}` would win over the configuration, unchecked; write the key under `config`")
    return name


class VariableSource(SpecModel):
    """Where a variable's value comes from: exactly one of these."""

    config_map_key_ref: KeyReference | None = None
    """A ConfigMap in the namespace."""

    secret_key_ref: KeyReference | None = None
    """A Secret in the namespace."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map_key_ref is None) == (self.secret_key_ref is None):
            raise ValueError("needs exactly one of `configMapKeyRef` and `secretKeyRef`")
        return self


class PodSpec(SpecModel):
    """Additions to the pod."""

    labels: Annotated[Labels, AfterValidator(_not_ours)] = Field(default_factory=dict)
    """More labels of the pod. Not those that this component writes, of which two are how the StatefulSet selects it."""

    annotations: Annotated[dict[str, OrOutput[ReadableText]], AfterValidator(metadata.checked_annotations)] = Field(
        default_factory=dict
    )
    """More annotations. A changed one rolls the pod: so a person asks for a restart after a Secret changed."""

    env: dict[
        Annotated[VariableName, AfterValidator(_not_the_configurations)], OrOutput[ReadableText] | VariableSource
    ] = Field(default_factory=dict, repr=False)
    """More variables of Headscale's container: a text, or where it comes from."""

    resources: Resources = Field(default_factory=lambda: {"requests": {"cpu": "50m", "memory": "64Mi"}})
    """Requests and limits of Headscale's container. No CPU limit: each call with a key costs 53 ms of bcrypt."""

    volumes: tuple[Volume, ...] = ()
    """More volumes, as in a Pod's `spec.volumes`."""

    volume_mounts: tuple[VolumeMount, ...] = ()
    """More mounts of Headscale's container, as in a container's `volumeMounts`."""

    containers: tuple[Container, ...] = ()
    """More containers of the pod. They share its network and so reach the admin channel: run none that you do not
    trust."""

    node_selector: Labels = Field(default_factory=dict)
    """Labels of the nodes that may run it."""

    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that it may run on all the same, as in a Pod's `spec.tolerations`."""

    affinity: Affinity | None = None
    """Nodes and pods that it is placed near or away from, as in a Pod's `spec.affinity`."""

    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    """How it is spread over zones or nodes, as in a Pod's `spec.topologySpreadConstraints`."""

    priority_class_name: DnsSubdomain | None = None
    """Name of a PriorityClass, by which Kubernetes decides which pod is evicted first."""
