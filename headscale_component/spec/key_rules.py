"""Rules between fields of keys, and between keys and users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from headscale_component.spec.api_key import ApiKeySpec, ManagedApiKeySpec
from headscale_component.spec.config.references import SecretReference
from headscale_component.spec.config.rules import SECRETS
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import is_output
from headscale_component.spec.pre_auth_key import PreAuthKeySpec
from headscale_component.spec.secret import KeySecretSpec
from headscale_component.spec.user import UserSpec
from headscale_component.spec.valid_part import rule, value_or_none
from headscale_core.values.durations import parse_duration
from headscale_core.values.versions import TAGS_ONLY_KEYS

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

Path = tuple[PathPart, ...]


@rule
def check_key_owners(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find preauth keys that belong to nobody, to two, or to a user that is not declared."""
    undeclared = dict(undeclared_owners(instance))
    for name, key in instance.pre_auth_keys.items():
        yield from _check_key_owner(("preAuthKeys", name), key)
        if name in undeclared:
            yield Problem(("preAuthKeys", name, "user"), _why_undeclared(undeclared[name], instance.users))


@rule
def _check_key_owner(path: Path, key: PreAuthKeySpec) -> Iterator[Problem]:
    if key.user is not None and key.user_id is not None:
        yield Problem(path, "`user` and `userId` are both given; keep one of them")
    if key.user is None and key.user_id is None and not key.tags:
        yield Problem(path, "belongs to nobody: give `user`, `userId` or `tags`")


@rule
def undeclared_owners(instance: HeadscaleArgs) -> Iterator[tuple[str, str]]:
    """Yield each key whose owner is not declared under `users`, with that owner."""
    for name, key in instance.pre_auth_keys.items():
        owner = value_or_none(key, "user")
        if owner is not None and owner not in instance.users:
            yield name, owner


def _why_undeclared(owner: str, users: Mapping[str, UserSpec]) -> str:
    renamed = next((name for name, user in users.items() if value_or_none(user, "renamed_from") == owner), None)
    if renamed is not None:
        return f"`{owner}` is `{renamed}` now; write that"
    known = f"declared are: {', '.join(sorted(users))}" if users else "none is declared"
    return f"`{owner}` is not under `users` ({known}); add it there, or give the `userId` of a user from elsewhere"


@rule
def check_tags_only_keys(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find keys with tags and no user, which belong to nobody before 0.28."""
    if instance.minor_version is not None and not TAGS_ONLY_KEYS.is_in(instance.minor_version):
        for name, key in instance.pre_auth_keys.items():
            yield from _check_tags_only(("preAuthKeys", name), key)


@rule
def _check_tags_only(path: Path, key: PreAuthKeySpec) -> Iterator[Problem]:
    if key.tags and key.user is None and key.user_id is None:
        yield Problem(path, "a key with tags alone needs Headscale 0.28 or newer; give `user`")


def secrets_of(instance: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    """Yield namespace and name of each Secret that an instance writes, with the path that names it.

    Those whose namespace or name only Pulumi knows are left out.
    """
    for namespace, name, path in (
        *_own_secret(instance),
        *_pre_auth_key_secrets(instance),
        *_api_key_secrets(instance),
    ):
        if not is_output(namespace) and not is_output(name):
            yield namespace, name, path


@rule
def _own_secret(instance: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    if instance.api_key.auto_manage:
        yield instance.namespace, instance.api_key.secret_name, ("apiKey", "secretName")


@rule
def _pre_auth_key_secrets(instance: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    for name, key in instance.pre_auth_keys.items():
        yield from _secret_of_key("preAuthKeys", name, key, instance)


@rule
def _api_key_secrets(instance: HeadscaleArgs) -> Iterator[tuple[str, str, Path]]:
    for name, key in instance.api_keys.items():
        yield from _secret_of_key("apiKeys", name, key, instance)


@rule
def _secret_of_key(
    section: str, name: str, key: KeySecretSpec, instance: HeadscaleArgs
) -> Iterator[tuple[str, str, Path]]:
    namespace = instance.namespace if key.secret_namespace is None else key.secret_namespace
    yield namespace, name if key.secret_name is None else key.secret_name, (section, name, "secretName")


def check_secret_names(instance: HeadscaleArgs, added: Path = ()) -> Iterator[Problem]:
    """Find Secrets that two keys would write.

    Args:
        instance: The instance.
        added: The key that was added last, and is to choose another name.
    """
    seen: dict[tuple[str, str], Path] = {}
    for namespace, secret, path in sorted(secrets_of(instance), key=lambda found: found[2][:-1] == added):
        first = seen.setdefault((namespace, secret), path)
        if first != path:
            text = f"Secret `{secret}` is written by `{'.'.join(map(str, first[:-1]))}` too; name another one"
            yield Problem(path, text)


def check_read_secrets(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find Secrets of a person's own under the name of a Secret that a key is written to."""
    written = {(namespace, secret): ".".join(map(str, path[:-1])) for namespace, secret, path in secrets_of(instance)}
    for name, path in (*_secrets_of_config(instance), *_pull_secrets(instance)):
        if not is_output(instance.namespace) and (instance.namespace, name) in written:
            owner = written[instance.namespace, name]
            yield Problem(path, f"Secret `{name}` is the one that `{owner}` writes; name another one here or there")


@rule
def _secrets_of_config(instance: HeadscaleArgs) -> Iterator[tuple[str, Path]]:
    for path in SECRETS:
        section: object = instance.config
        for part in path:
            section = getattr(section, {"pass": "pass_"}.get(part, part), None)
        if isinstance(section, SecretReference):
            yield section.secret_key_ref.name, ("config", *path, "secretKeyRef", "name")


@rule
def _pull_secrets(instance: HeadscaleArgs) -> Iterator[tuple[str, Path]]:
    for index, name in enumerate(instance.image_pull_secrets):
        yield name, ("imagePullSecrets", index)


def check_rotations(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find API keys that would be rotated without end, or that end before those who read them know the next one."""
    yield from _check_own_rotation(instance)
    yield from _check_api_key_rotations(instance)


@rule
def _check_own_rotation(instance: HeadscaleArgs) -> Iterator[Problem]:
    yield from _check_rotation(("apiKey",), instance.api_key)


@rule
def _check_api_key_rotations(instance: HeadscaleArgs) -> Iterator[Problem]:
    for name, key in instance.api_keys.items():
        yield from _check_rotation(("apiKeys", name), key)


@rule
def _check_rotation(path: Path, key: ApiKeySpec | ManagedApiKeySpec) -> Iterator[Problem]:
    if parse_duration(key.rotation_buffer) >= parse_duration(key.expiration):
        yield Problem(
            (*path, "rotationBuffer"),
            f"`{key.rotation_buffer}` is not below the expiration, `{key.expiration}`: the key would be replaced "
            "without end; write less, a tenth of the expiration is usual",
        )
    elif "overlap" in key.model_fields_set and parse_duration(key.overlap) > parse_duration(key.rotation_buffer):
        yield Problem(
            (*path, "overlap"),
            f"`{key.overlap}` is longer than the rotation buffer, `{key.rotation_buffer}`: the key ends before; write "
            "less",
        )


@rule
def check_renewals(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find preauth keys that every update would renew."""
    for name, key in instance.pre_auth_keys.items():
        yield from _check_renewal(("preAuthKeys", name, "renewBefore"), key)


@rule
def _check_renewal(path: Path, key: PreAuthKeySpec) -> Iterator[Problem]:
    if key.renew_before is not None and parse_duration(key.renew_before) >= parse_duration(key.expiration):
        yield Problem(
            path,
            f"`{key.renew_before}` is not below the expiration, `{key.expiration}`: every `pulumi up` would make a new "
            "key; write less",
        )
