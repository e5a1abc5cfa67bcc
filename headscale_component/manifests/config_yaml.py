"""`config.yaml` as Headscale reads it, without any secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config import HeadscaleConfig
from headscale_component.spec.config.database import SqliteConfig
from headscale_component.spec.config.rules import SECRETS, is_secret_reference
from headscale_component.spec.config.types import GRPC_LISTEN_ADDRESS
from headscale_component.spec.config.versions import without_unread
from headscale_component.spec.model import EncryptedValue
from headscale_component.versions import minor_version
from headscale_core.defaults import GRPC_PORT
from headscale_core.values.versions import NODE_SECTION

Tree = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes texts in quotes that only Headscale's reader takes for numbers or dates, and PyYAML's own does not."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go: `1e3`, `0o17`, `09`, and `_` anywhere in them.
    re.compile(
        r"[-+]?_*(?:0_*[oOxXbB]_*[0-9a-fA-F][0-9a-fA-F_]*|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\._*[0-9][0-9_]*)(?:[eE]_*[-+]?_*[0-9][0-9_]*)?)$"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ]|$)"
    ),
    list("+-.0123456789"),
)


def config_tree(spec: HeadscaleArgs) -> Tree:
    """Return the configuration with defaults filled in, secrets left out, and keys as this version knows them.

    Leaves may be Outputs.
    """
    tree = spec.config.model_dump(by_alias=True, exclude_none=True)
    _apply_database_defaults(tree)
    _apply_dns_defaults(tree)
    _apply_grpc_defaults(tree, spec)
    _translate_ephemeral_timeout(tree, spec)
    return without_secrets(without_unread(tree, minor_version(spec.version)))


def to_yaml(tree: Tree) -> str:
    """Return the text of `config.yaml`; equal trees give equal texts."""
    text: str = yaml.dump(_plain(tree), Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True)
    return text


def _plain(value: Any) -> Any:  # noqa: ANN401 - any leaf
    """Return lists for tuples, which YAML would mark as Python's own, and a mark for what cannot be opened."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, EncryptedValue):
        return repr(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def leaf(tree: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any leaf, Outputs too
    """Return the value at a path, None where there is none."""
    value: Any = tree
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def secret_leaves(config: HeadscaleConfig) -> dict[tuple[str, ...], Any]:
    """Return every secret of the configuration by its path: a `secretKeyRef`, or an Output for the known ones."""
    tree = config.model_dump(by_alias=True, exclude_none=True)
    found = {path: value for path in SECRETS if (value := leaf(tree, path)) is not None}
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
        if (*path, key) in SECRETS or is_secret_reference(value):
            continue
        kept[key] = without_secrets(value, (*path, key)) if isinstance(value, Mapping) else value
    return kept


def _apply_database_defaults(tree: Tree) -> None:
    """Keep the section of the database in use, with its defaults."""
    database = tree["database"]
    other = "sqlite" if database["type"] == "postgres" else "postgres"
    database.pop(other, None)
    if database["type"] == "sqlite":
        database.setdefault("sqlite", SqliteConfig().model_dump(by_alias=True))


def _apply_dns_defaults(tree: Tree) -> None:
    dns = tree["dns"]
    dns.setdefault("magic_dns", dns.get("base_domain") is not None)
    dns.setdefault("override_local_dns", bool(dns["nameservers"].get("global")))


def _apply_grpc_defaults(tree: Tree, spec: HeadscaleArgs) -> None:
    """Open gRPC on the pod's loopback where it is the admin channel and nothing else was asked for."""
    if spec.channel == "pod" and "grpc_listen_addr" not in tree:
        tree["grpc_listen_addr"] = f"127.0.0.1:{GRPC_PORT}"
        tree.setdefault("grpc_allow_insecure", not spec.config.serves_tls)
    tree.setdefault("grpc_listen_addr", GRPC_LISTEN_ADDRESS)
    tree.setdefault("grpc_allow_insecure", False)


def _translate_ephemeral_timeout(tree: Tree, spec: HeadscaleArgs) -> None:
    """Write the timeout under the name that the version reads: 0.29 ignores the old one silently."""
    minor = minor_version(spec.version)
    timeout = tree.pop("ephemeral_node_inactivity_timeout")
    timeout = leaf(tree, ("node", "ephemeral", "inactivity_timeout")) or timeout
    if minor is None or NODE_SECTION.is_in(minor):
        tree["node"]["ephemeral"] = {"inactivity_timeout": timeout}
    else:
        tree["ephemeral_node_inactivity_timeout"] = timeout
        tree.pop("node")
