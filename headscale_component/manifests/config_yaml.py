"""`config.yaml` as Headscale reads it, without any secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config import DATA_DIRECTORY, HeadscaleConfig
from headscale_component.spec.rules import SECRET_LEAVES, is_secret_reference, minor_version

Tree = dict[str, Any]

_DEFAULTS: Tree = {
    "noise": {"private_key_path": f"{DATA_DIRECTORY}/noise_private.key"},
    "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48", "allocation": "sequential"},
    "log": {"level": "info", "format": "text"},
    "logtail": {"enabled": False},
    "derp": {"auto_update_enabled": True, "update_frequency": "3h", "paths": []},
    "database": {
        "sqlite": {
            "path": f"{DATA_DIRECTORY}/db.sqlite",
            "write_ahead_log": True,
            "wal_autocheckpoint": 1000,
        },
        "gorm": {"prepare_stmt": True, "parameterized_queries": True, "skip_err_record_not_found": True},
    },
}
"""What Headscale's own example sets, in the directories of the pod."""

_EMBEDDED_DERP: Tree = {
    "region_id": 999,
    "region_code": "headscale",
    "region_name": "Headscale Embedded DERP",
    "private_key_path": f"{DATA_DIRECTORY}/derp_server_private.key",
    "verify_clients": True,
    "automatically_add_embedded_derp_region": True,
}


def config_tree(spec: HeadscaleArgs) -> Tree:
    """Return the configuration with defaults filled in, secrets left out, and keys as this version knows them.

    Leaves may be Outputs.
    """
    written = spec.config.model_dump(by_alias=True, exclude_none=True)
    tree = merge(_DEFAULTS, written)
    _settle_derp(tree)
    _settle_dns(tree)
    _settle_grpc(tree, spec)
    _settle_ephemeral(tree, spec)
    return without_secrets(tree)


def to_yaml(tree: Tree) -> str:
    """Return the text of `config.yaml`; equal trees give equal texts."""
    return yaml.safe_dump(_plain(tree), sort_keys=True, default_flow_style=False, allow_unicode=True)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any leaf
    """Return lists for tuples, which YAML would mark as Python's own."""
    if isinstance(value, Mapping):
        return {key: _plain(its) for key, its in value.items()}
    return [_plain(its) for its in value] if isinstance(value, list | tuple) else value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Lay one tree over another; lists and leaves of the upper one win whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def leaf(tree: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any leaf, Outputs too
    """Return the value at a path, None where there is none."""
    value: Any = tree
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def secret_leaves(config: HeadscaleConfig) -> dict[tuple[str, ...], Any]:
    """Return every secret of the configuration by its path: a `secretKeyRef`, or an Output for the known ones."""
    tree = config.model_dump(by_alias=True, exclude_none=True)
    found = {path: value for path in SECRET_LEAVES if (value := leaf(tree, path)) is not None}
    return found | dict(_references(tree))


def _references(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if is_secret_reference(tree):
        return [(path, tree)]
    return [
        pair for key, value in tree.items() if isinstance(value, Mapping) for pair in _references(value, (*path, key))
    ]


def without_secrets(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Tree:
    """Return the tree without its secret leaves: those reach Headscale by its environment."""
    kept: Tree = {}
    for key, value in tree.items():
        if (*path, key) in SECRET_LEAVES or is_secret_reference(value):
            continue
        kept[key] = without_secrets(value, (*path, key)) if isinstance(value, Mapping) else value
    return kept


def _settle_derp(tree: Tree) -> None:
    server = tree["derp"]["server"]
    if server["enabled"]:
        tree["derp"] = tree["derp"] | {"server": merge(_EMBEDDED_DERP, server)}


def _settle_dns(tree: Tree) -> None:
    dns = tree["dns"]
    dns.setdefault("magic_dns", dns.get("base_domain") is not None)
    dns.setdefault("override_local_dns", bool(dns["nameservers"].get("global")))


def _settle_grpc(tree: Tree, spec: HeadscaleArgs) -> None:
    """Open gRPC on the pod's loopback where it is the admin channel and nothing else was asked for."""
    if spec.channel == "pod" and "grpc_listen_addr" not in tree:
        tree["grpc_listen_addr"] = "127.0.0.1:50443"
        tree.setdefault("grpc_allow_insecure", not spec.config.serves_tls)
    tree.setdefault("grpc_listen_addr", "0.0.0.0:50443")
    tree.setdefault("grpc_allow_insecure", False)


def _settle_ephemeral(tree: Tree, spec: HeadscaleArgs) -> None:
    """Write the timeout under the name that the version reads: 0.29 ignores the old one silently."""
    minor = minor_version(spec.version)
    timeout = tree.pop("ephemeral_node_inactivity_timeout")
    if minor is not None and minor >= (0, 29):
        tree["node"] = merge({"ephemeral": {"inactivity_timeout": timeout}}, tree["node"])
    else:
        tree["ephemeral_node_inactivity_timeout"] = timeout
        tree.pop("node")
