"""What an instance makes in the cluster, as plain documents: with no engine and no cluster."""

from __future__ import annotations

from typing import Any

from headscale_component.manifests import (
    config_map,
    containers,
    names,
    namespace,
    role,
    service,
    service_account,
    stateful_set,
    wire,
)
from headscale_component.manifests.config_yaml import config_tree, secret_leaves
from headscale_component.spec import HeadscaleArgs

Document = dict[str, Any]

SUFFIX = "-xxxxxxxx"
"""Stands for what the Kubernetes provider appends to a name that it makes."""


def documents(name: str, spec: HeadscaleArgs) -> list[Document]:
    """Return every object of an instance, in the order in which they are made.

    Args:
        name: The instance's name.
        spec: The instance; its secrets are references, which show names and no values.
    """
    addresses = service.listen_addresses(spec, config_tree(spec))
    configuration = names.config_map(name) + SUFFIX
    made = []
    if spec.create_namespace:
        made.append(_document("v1", "Namespace", namespace.namespace_patch(spec)))
    if spec.api_key.auto_manage:
        made += [
            _document("v1", "ServiceAccount", service_account.service_account(name, spec)),
            _document("rbac.authorization.k8s.io/v1", "Role", role.role(name, spec)),
            _document("rbac.authorization.k8s.io/v1", "RoleBinding", role.role_binding(name, spec)),
        ]
    config = _document("v1", "ConfigMap", config_map.config_map(name, spec, config_map.config_text(spec)))
    config["metadata"]["name"] = configuration
    environment = containers.secret_environment(secret_leaves(spec.config), names.config_secrets(name) + SUFFIX)
    workload = stateful_set.stateful_set(
        name, spec, config_map=configuration, addresses=addresses, environment=environment
    )
    made += [
        config,
        _document("v1", "Service", service.service(name, spec, addresses)),
        _document("v1", "Service", service.metrics_service(name, spec, addresses)),
        _document("apps/v1", "StatefulSet", workload),
    ]
    return made


def _document(api_version: str, kind: str, arguments: object) -> Document:
    return {"apiVersion": api_version, "kind": kind, **wire.plain(arguments)}
