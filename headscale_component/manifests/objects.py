"""All Kubernetes objects of an instance, in one list: the component registers it, the command line renders it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import (
    config_map,
    containers,
    names,
    namespace,
    role,
    secret,
    service,
    service_account,
    stateful_set,
)
from headscale_component.manifests.config_yaml import config_tree, secret_leaves
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.model import is_output

NAMESPACE, CONFIG_MAP, CONFIG_SECRETS, SERVICE, METRICS_SERVICE = "namespace", "config", "secrets", "service", "metrics"
SERVICE_ACCOUNT, ROLE, ROLE_BINDING, STATEFUL_SET = "service-account", "role", "role-binding", "stateful-set"
_RBAC = "rbac.authorization.k8s.io/v1"

NameOf = Callable[[str], pulumi.Input[str]]
"""Returns the name in the cluster of another object of the list, by its key."""


@dataclass(frozen=True, slots=True)
class ClusterObject:
    """One Kubernetes object of an instance.

    Attributes:
        key: What the other objects of the list call it.
        api_version: As `apps/v1`.
        kind: As `StatefulSet`.
        resource: The class of `pulumi_kubernetes`, called with name, arguments and options.
        name: Its name in Pulumi; what the name in the cluster begins with where the provider appends a suffix.
        arguments: Returns its arguments, which may hold names of other objects.
        after: Keys of the objects that are there first.
        is_autonamed: Whether the Kubernetes provider appends a random suffix to its name.
    """

    key: str
    api_version: str
    kind: str
    resource: Callable[..., pulumi.CustomResource]
    name: str
    arguments: Callable[[NameOf], Any]
    after: tuple[str, ...] = ()
    is_autonamed: bool = False


def objects(name: str, instance: str, spec: HeadscaleArgs) -> list[ClusterObject]:
    """Return the objects in an order in which each comes after those that it needs.

    Args:
        name: The component's name in Pulumi.
        instance: The instance's name in the cluster.
        spec: The instance.
    """
    leaves = secret_leaves(spec.config)
    given = {path: value for path, value in leaves.items() if is_output(value)}
    addresses = service.listen_addresses(spec, config_tree(spec))
    found = [*_namespace(name, spec), *(_rbac(name, instance, spec) if spec.api_key.auto_manage else ())]
    found.append(
        ClusterObject(
            CONFIG_MAP,
            "v1",
            "ConfigMap",
            k8s.core.v1.ConfigMap,
            names.config_map(name),
            lambda _: config_map.config_map(instance, spec, config_map.config_text(spec)),
            is_autonamed=True,
        )
    )
    if given:
        found.append(
            ClusterObject(
                CONFIG_SECRETS,
                "v1",
                "Secret",
                k8s.core.v1.Secret,
                names.config_secrets(name),
                lambda _: secret.config_secrets(instance, spec, given),
                is_autonamed=True,
            )
        )
    found += _services(name, instance, spec, addresses)

    def workload(name_of: NameOf) -> k8s.apps.v1.StatefulSetInitArgs:
        return stateful_set.stateful_set(
            instance,
            spec,
            config_map=name_of(CONFIG_MAP),
            addresses=addresses,
            environment=containers.secret_environment(leaves, name_of(CONFIG_SECRETS) if given else None),
        )

    before = tuple(item.key for item in found if item.key in {CONFIG_MAP, SERVICE_ACCOUNT, ROLE, ROLE_BINDING})
    return [
        *found,
        ClusterObject(STATEFUL_SET, "apps/v1", "StatefulSet", k8s.apps.v1.StatefulSet, name, workload, before),
    ]


def _namespace(name: str, spec: HeadscaleArgs) -> list[ClusterObject]:
    if not spec.create_namespace:
        return []
    resource, in_pulumi = k8s.core.v1.NamespacePatch, f"{name}-namespace"
    return [ClusterObject(NAMESPACE, "v1", "Namespace", resource, in_pulumi, lambda _: namespace.namespace_patch(spec))]


def _rbac(name: str, instance: str, spec: HeadscaleArgs) -> list[ClusterObject]:
    """Return who the sidecar is and what it may do."""
    return [
        ClusterObject(
            SERVICE_ACCOUNT,
            "v1",
            "ServiceAccount",
            k8s.core.v1.ServiceAccount,
            name,
            lambda _: service_account.service_account(instance, spec),
        ),
        ClusterObject(ROLE, _RBAC, "Role", k8s.rbac.v1.Role, name, lambda _: role.role(instance, spec)),
        ClusterObject(
            ROLE_BINDING,
            _RBAC,
            "RoleBinding",
            k8s.rbac.v1.RoleBinding,
            name,
            lambda _: role.role_binding(instance, spec),
            after=(ROLE,),  # who may not bind any role may bind one with fewer rights, if it is there
        ),
    ]


def _services(name: str, instance: str, spec: HeadscaleArgs, addresses: dict[str, str]) -> list[ClusterObject]:
    resource = k8s.core.v1.Service
    found = [
        ClusterObject(SERVICE, "v1", "Service", resource, name, lambda _: service.service(instance, spec, addresses))
    ]
    if service.serves_metrics(spec, addresses):
        found.append(
            ClusterObject(
                METRICS_SERVICE,
                "v1",
                "Service",
                resource,
                names.metrics_service(name),
                lambda _: service.metrics_service(instance, spec, addresses),
            )
        )
    return found
