"""Every resource option that the component sets, as the engine receives it."""

from typing import Any

import pulumi
from google.protobuf.struct_pb2 import Struct

from dynamic_providers.connection import ConnectionArgs, HeadscaleConnection
from headscale_component import Headscale

SECRET = "4dabf18193072939515e22adb298388d"
"""The field by which Pulumi marks an object (https://www.pulumi.com/docs/using-pulumi/pulumi-packages/)."""
INSTANCE: dict[str, Any] = {
    "version": "v0.29.3",
    "createNamespace": True,
    "config": {"server_url": "https://vpn.example.com", "oidc": {"issuer": "https://id", "client_id": "a"}},
    "users": {"alice": {}, "bob": {"renamedFrom": "robert", "retain": True}},
    "preAuthKeys": {"laptop": {"user": "alice"}, "runner": {"tags": ["tag:ci"]}, "old": {"userId": "7"}},
    "apiKeys": {"ui": {}},
    "policy": {"tagOwners": {"tag:ci": ["alice@"]}, "acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}]},
}
ADMIN = {"parent": "vpn", "provider": "vpn-connection"}
NAMED = {"parent": "vpn", "delete_before_replace": True, "depends_on": {"vpn-preflight", "vpn-namespace"}}
IN_DATABASE = {**ADMIN, "depends_on": {"vpn-rollout"}}
OPTIONS: dict[str, Any] = {
    "Headscale vpn": {},
    "pulumi-python vpn-connection": {"aliases": ["parent vpn"]},
    "Preflight vpn-preflight": ADMIN | {"depends_on": set()},
    "NamespacePatch vpn-namespace": {"parent": "vpn", "depends_on": {"vpn-preflight"}, "retain_on_delete": True},
    "ConfigMap vpn-config": {"parent": "vpn", "depends_on": {"vpn-preflight", "vpn-namespace"}},
    "Secret vpn-config-secrets": {
        "parent": "vpn",
        "depends_on": {"vpn-preflight", "vpn-namespace"},
        "additional_secret_outputs": ["data", "stringData"],
    },
    "Service vpn": NAMED,
    "Service vpn-metrics": NAMED,
    "ServiceAccount vpn": NAMED,
    "Role vpn": NAMED,
    "RoleBinding vpn": NAMED | {"depends_on": {"vpn-preflight", "vpn-namespace", "Role vpn"}},
    "StatefulSet vpn": NAMED
    | {
        "ignore_changes": ["spec.volumeClaimTemplates"],
        "depends_on": {
            *("vpn-preflight", "vpn-namespace", "vpn-config", "vpn-config-secrets"),
            *("ServiceAccount vpn", "Role vpn", "RoleBinding vpn"),
        },
    },
    "Rollout vpn-rollout": ADMIN | {"depends_on": {"StatefulSet vpn", "vpn-config", "vpn-config-secrets"}},
    "User vpn-alice": IN_DATABASE | {"deleted_with": "vpn-rollout"},
    "User vpn-bob": IN_DATABASE
    | {"deleted_with": "vpn-rollout", "aliases": ["name vpn-robert"], "retain_on_delete": True},
    "Policy vpn-policy": ADMIN | {"depends_on": {"vpn-rollout", "vpn-alice", "vpn-bob"}},
    "PreAuthKey vpn-laptop": ADMIN | {"depends_on": {"vpn-policy", "vpn-alice"}, "additional_secret_outputs": ["key"]},
    "PreAuthKey vpn-runner": ADMIN
    | {"depends_on": {"vpn-policy", "vpn-rollout"}, "additional_secret_outputs": ["key"]},
    "PreAuthKey vpn-old": ADMIN
    | {"depends_on": {"vpn-policy", "vpn-rollout", "vpn-alice", "vpn-bob"}, "additional_secret_outputs": ["key"]},
    "ApiKey vpn-ui-api-key": IN_DATABASE,
}


def program():
    """Declare the instance with a secret that only Pulumi knows."""
    oidc = {**INSTANCE["config"]["oidc"], "client_secret": pulumi.Output.secret("s")}
    Headscale("vpn", {**INSTANCE, "config": {**INSTANCE["config"], "oidc": oidc}})


def options_of(request):
    """Return the options that are set, with names for URNs; aliases of types are the Kubernetes SDK's own."""
    found = {
        "parent": named(request.parent) if "$" in request.parent or "Headscale::" in request.parent else "",
        "provider": named(request.provider.rpartition("::")[0]) if "pulumi-python" in request.provider else "",
        "depends_on": {named(urn) for urn in request.dependencies},
        "deleted_with": named(request.deletedWith),
        "retain_on_delete": request.retainOnDelete,
        "ignore_changes": list(request.ignoreChanges),
        "delete_before_replace": request.deleteBeforeReplace,
        "aliases": [alias_of(alias) for alias in request.aliases if not alias.spec.type],
        "additional_secret_outputs": sorted(request.additionalSecretOutputs),
        "replace_on_changes": list(request.replaceOnChanges),
        "protect": request.protect,
        "import_id": request.importId,
        "custom_timeouts": str(request.customTimeouts),
    }
    return {name: value for name, value in found.items() if value}


def named(urn):
    kind, _, name = urn.rpartition("::")
    kind = kind.rpartition(":")[2]
    return f"{kind} {name}" if kind in {"ServiceAccount", "Role", "RoleBinding", "StatefulSet"} else name


def alias_of(alias):
    return f"name {alias.spec.name}" if alias.spec.name else f"parent {named(alias.spec.parentUrn)}"


def test_component_sets_these_options(record):
    requests = {f"{request.type.rpartition(':')[2]} {request.name}": request for request in record(program).requests}
    found = {name: options_of(request) for name, request in requests.items() if not name.startswith("Stack")}

    expected = {name: {key: value for key, value in options.items() if value} for name, options in OPTIONS.items()}
    assert found == expected


def test_connection_registers_credentials_as_secrets(record):
    args = ConnectionArgs(instance="vpn", namespace="ns", context="c", api_key="the-key", kubeconfig="the-config")

    requests = record(lambda: HeadscaleConnection("vpn-connection", args) and None).requests

    (registered,) = (request for request in requests if request.name == "vpn-connection")
    secret = {name for name, value in registered.object.items() if isinstance(value, Struct) and SECRET in value}
    assert secret == {"headscale:api_key", "headscale:kubeconfig"}
