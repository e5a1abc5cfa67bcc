"""The Kubernetes objects of an instance as resources: their options, and the order in which they change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.meta.v1.outputs import ObjectMeta

from headscale_component.manifests import wire
from headscale_component.manifests.objects import NAMESPACE, STATEFUL_SET, ClusterObject


def declare_objects(
    listed: Sequence[ClusterObject], parent: pulumi.Resource, preflight: pulumi.Resource
) -> tuple[pulumi.Resource, pulumi.Output[str]]:
    """Declare the objects.

    Args:
        listed: The objects, each after those that it needs.
        parent: The component.
        preflight: What goes before every change.

    Returns:
        The StatefulSet, and a hash of all that is declared of it.
    """
    found: dict[str, pulumi.CustomResource] = {}
    template = pulumi.Output.from_input("")

    def name_of(key: str) -> pulumi.Output[str]:
        metadata: pulumi.Output[ObjectMeta] = found[key].metadata  # type: ignore[attr-defined]  # every kind has it
        # A program's mocks may know of no name.
        return metadata.apply(lambda known: known.name or "")

    for item in listed:
        arguments = item.arguments(name_of)
        first = [preflight, *(found[key] for key in (NAMESPACE, *item.after) if key in found)]
        found[item.key] = item.resource(item.name, arguments, _options(item, parent, first))
        if item.key == STATEFUL_SET:
            template = _hash_of(arguments)
    return found[STATEFUL_SET], template


def _options(item: ClusterObject, parent: pulumi.Resource, first: list[pulumi.Resource]) -> pulumi.ResourceOptions:
    """Return the options of an object.

    A Kubernetes provider with another address is replaced, and all objects with it: an object whose name never changes
    would be created first and then deleted under that name (https://www.pulumi.com/docs/iac/concepts/options/deletebeforereplace/).
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=first,
        delete_before_replace=None if item.is_autonamed or item.key == NAMESPACE else True,
        # A namespace holds the data, and so outlives its instance.
        retain_on_delete=True if item.key == NAMESPACE else None,
        # `volumeClaimTemplates` of a StatefulSet are immutable; the rollout resizes the PVC.
        ignore_changes=["spec.volumeClaimTemplates"] if item.key == STATEFUL_SET else None,
    )


def _hash_of(declared: object) -> pulumi.Output[str]:
    """Return a hash of arguments, which may hold Outputs; it is a secret where one of them is."""
    return pulumi.Output.json_dumps(wire.plain(declared), sort_keys=True).apply(
        lambda text: hashlib.sha256(text.encode()).hexdigest()[:16]
    )
