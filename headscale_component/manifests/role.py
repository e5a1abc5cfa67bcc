"""RBAC of the sidecar: write its one Secret, annotate the PVC with its keys, and create Events about failures."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs


def role(instance: str, spec: HeadscaleArgs) -> k8s.rbac.v1.RoleInitArgs:
    """Return the Role.

    `create` is held to the one name too: the sidecar creates by server-side apply, and the API server checks such a
    create with the object's name.
    """
    return k8s.rbac.v1.RoleInitArgs(
        metadata=_metadata(instance, spec),
        rules=[
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=[""],
                resources=["secrets"],
                resource_names=[spec.api_key.secret_name],
                verbs=["get", "create", "update", "patch"],
            ),
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=["apps"], resources=["statefulsets"], resource_names=[instance], verbs=["get"]
            ),
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=[""],
                resources=["persistentvolumeclaims"],
                resource_names=[names.pvc_name(instance)],
                verbs=["get", "patch"],
            ),
            k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["events"], verbs=["create"]),
        ],
    )


def role_binding(instance: str, spec: HeadscaleArgs) -> k8s.rbac.v1.RoleBindingInitArgs:
    """Return the RoleBinding of the sidecar's ServiceAccount to its Role."""
    return k8s.rbac.v1.RoleBindingInitArgs(
        metadata=_metadata(instance, spec),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=instance),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=instance, namespace=spec.namespace)],
    )


def _metadata(instance: str, spec: HeadscaleArgs) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(
        name=instance, namespace=spec.namespace, labels=names.labels(instance, spec, "api-key")
    )
