"""Rules between fields of one instance, beside those of its sections.

They run on what is valid (`spec.valid_part`), so that a person gets every problem at once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from headscale_component.spec.config.rules import broken_config_rules
from headscale_component.spec.config.types import DATA_DIRECTORY, ConfigSection
from headscale_component.spec.connection_rules import check_channel, check_direct_address, check_transport
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.key_rules import (
    check_key_owners,
    check_read_secrets,
    check_renewals,
    check_rotations,
    check_secret_names,
    check_tags_only_keys,
)
from headscale_component.spec.listener_rules import (
    check_acme_port,
    check_metrics_address,
    check_ports,
    check_ports_of_containers,
    check_reached,
)
from headscale_component.spec.model import is_output
from headscale_component.spec.object_rules import (
    check_image_tag,
    check_inline_files,
    check_namespace_labels,
    check_pull_secrets,
)
from headscale_component.spec.pod_objects import check_each_container, check_each_toleration, check_each_volume
from headscale_component.spec.pod_rules import (
    check_containers,
    check_mounts,
    check_mounts_of_containers,
    check_volumes,
)
from headscale_component.spec.policy.rules import policy_problems
from headscale_component.spec.user import UserSpec
from headscale_component.spec.user_rules import check_user_names
from headscale_component.spec.valid_part import rule, value_or_none
from headscale_component.versions import OLDEST_HEADSCALE

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]


def broken_rules(instance: HeadscaleArgs) -> list[Problem]:
    """Return the problems between fields of one instance.

    Args:
        instance: The instance, or its valid part where the models have found problems already.
    """
    return [problem for check in RULES for problem in check(instance)]


@rule
def check_replicas(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find more than one replica."""
    if instance.replicas > 1:
        yield Problem(
            ("replicas",),
            f"{instance.replicas} is more than 1: Headscale keeps its state in memory and takes no lock, so each "
            "replica would hand out its own tailnet; write 1",
        )


def check_version(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a version that is too old."""
    if instance.minor_version is not None and instance.minor_version < OLDEST_HEADSCALE:
        yield Problem(("version",), "is older than 0.26, the oldest Headscale whose API is known here; write `v0.28.0`")


@rule
def check_namespace(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a namespace that is to be made under a name that nobody knows yet."""
    if instance.create_namespace and is_output(instance.namespace):
        yield Problem(
            ("namespace",),
            "is an Output, and `createNamespace` needs the name itself; write the name, or make the Namespace in the "
            "program and leave `createNamespace` out",
        )


@rule
def check_policy_mode(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a policy that Headscale would not take, because it reads its own from a file."""
    if instance.policy is not None and instance.config.policy.mode != "database":
        yield Problem(("policy",), "needs `policy.mode: database` in `config`; from a file Headscale takes no other")


@rule
def check_policy(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find what Headscale would refuse in the policy."""
    if instance.policy is None:
        return
    users: Mapping[str, UserSpec] | None = value_or_none(instance, "users")
    problems = policy_problems(
        instance.policy,
        users or {},
        version=instance.minor_version,
        allow_undeclared_users=users is None or instance.config.oidc is not None,
    )
    for problem in problems:
        yield problem.under("policy")


_PATHS_IN_POD = (
    ("tls_cert_path",),
    ("tls_key_path",),
    ("tls_letsencrypt_cache_dir",),
    ("noise", "private_key_path"),
    ("derp", "server", "private_key_path"),
    ("derp", "paths"),
    ("dns", "extra_records_path"),
    ("policy", "path"),
    ("oidc", "client_secret_path"),
    ("database", "sqlite", "path"),
)


def check_paths_exist(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find paths that nothing in the pod would be at: its root is read-only, and empty but for Headscale."""
    for path in _PATHS_IN_POD:
        yield from _check_path_exists(instance, path)


@rule
def _check_path_exists(instance: HeadscaleArgs, path: tuple[str, ...]) -> Iterator[Problem]:
    value = _value_at(instance.config, path)
    mounts = [str(mount.get("mountPath")) for mount in instance.pod.volume_mounts]
    folders = [f"{folder.rstrip('/')}/" for folder in (DATA_DIRECTORY, *mounts)]
    places: list[tuple[Path, object]] = [(path, value)]
    if isinstance(value, tuple):
        places = [((*path, index), item) for index, item in enumerate(value)]
    for place, file in places:
        if not isinstance(file, str) or not file.startswith("/") or file in instance.files:
            continue
        if not any(posixpath.normpath(file).startswith(folder) for folder in folders):
            yield Problem(
                ("config", *place),
                f"`{file}` is not there in the pod; give it under `files`, or name a file on the volume, in "
                f"`{DATA_DIRECTORY}`",
            )


def _value_at(section: ConfigSection, path: tuple[str, ...]) -> object:
    """Return the value of a key, None where its section was not written."""
    value: object = section
    for name in path:
        value = getattr(value, name) if value is not None else None
    return value


@rule
def check_config(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find what Headscale would refuse in its own configuration."""
    yield from broken_config_rules(instance.config, instance.minor_version)


RULES: tuple[Callable[[HeadscaleArgs], Iterator[Problem]], ...] = (
    check_replicas,
    check_version,
    check_namespace,
    check_key_owners,
    check_tags_only_keys,
    check_secret_names,
    check_rotations,
    check_renewals,
    check_user_names,
    check_transport,
    check_policy_mode,
    check_policy,
    check_channel,
    check_direct_address,
    check_paths_exist,
    check_config,
    check_ports,
    check_ports_of_containers,
    check_acme_port,
    check_reached,
    check_metrics_address,
    check_image_tag,
    check_namespace_labels,
    check_inline_files,
    check_volumes,
    check_each_volume,
    check_containers,
    check_each_container,
    check_each_toleration,
    check_pull_secrets,
    check_mounts,
    check_mounts_of_containers,
    check_read_secrets,
)
