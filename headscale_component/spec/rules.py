"""Rules between fields.

They read the document as it was written, so that they find their problems also where another field is wrong:
a person gets every problem at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headscale_component.spec.config.kinds import DATA_DIRECTORY
from headscale_component.spec.config.rules import at, broken_config_rules
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.policy_rules import policy_problems
from headscale_component.versions import NEWEST_HEADSCALE, OLDEST_HEADSCALE, minor_version
from headscale_core.values.durations import parse_duration

Raw = Mapping[str, Any]
Path = tuple[PathPart, ...]


def broken_rules(instance: object, *, is_well_formed: bool) -> list[Problem]:
    """Return the problems between fields of one instance.

    Args:
        instance: The instance as it was written.
        is_well_formed: Whether the models have taken it. Where not, a rule that stumbles over a wrong shape ends there:
            the models tell of it.
    """
    written = _section(instance)
    found: list[Problem] = []
    for rule in (*RULES, _config_is_whole):
        try:
            found.extend(rule(written))
        except (TypeError, ValueError, AttributeError):
            if is_well_formed:
                raise
    return found


def _config_is_whole(instance: Raw) -> Iterator[Problem]:
    yield from broken_config_rules(_section(get(instance, "config")), minor_version(get(instance, "version")))


def secrets_of(instance: Raw) -> Iterator[tuple[str, str, Path]]:
    """Yield namespace and name of each Secret that an instance writes, with the path that names it."""
    home = str(get(instance, "namespace", "headscale"))
    api_key = _section(get(instance, "apiKey"))
    if get(api_key, "autoManage", True):
        yield home, str(get(api_key, "secretName", "headscale-api-key")), ("apiKey", "secretName")
    for section in ("preAuthKeys", "apiKeys"):
        for name, key in _section(get(instance, section)).items():
            secret = str(get(_section(key), "secretName") or name)
            yield str(get(_section(key), "secretNamespace") or home), secret, (section, name, "secretName")


def get(section: Raw, key: str, default: Any = None) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return a value by its camelCase key or the snake_case spelling of it."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    return section.get(key, section.get(snake, default))


def _section(value: object) -> Raw:
    if isinstance(value, Mapping):
        return value
    return value.model_dump(by_alias=True) if hasattr(value, "model_dump") else {}


def _one_replica(instance: Raw) -> Iterator[Problem]:
    replicas = get(instance, "replicas", 1)
    if isinstance(replicas, int) and replicas > 1:
        yield Problem(
            ("replicas",),
            f"{replicas} is more than 1: Headscale keeps its state in memory and takes no lock, so each replica would "
            "hand out its own tailnet; write 1",
        )


def _known_version(instance: Raw) -> Iterator[Problem]:
    minor = minor_version(get(instance, "version"))
    if minor is not None and minor < OLDEST_HEADSCALE:
        yield Problem(("version",), "is older than 0.26, the oldest Headscale whose API is known here; write `v0.28.0`")


def _key_owner(instance: Raw) -> Iterator[Problem]:
    users = _section(get(instance, "users"))
    for name, raw in _section(get(instance, "preAuthKeys")).items():
        key, path = _section(raw), ("preAuthKeys", name)
        user, user_id = get(key, "user"), get(key, "userId")
        if user is not None and user_id is not None:
            yield Problem(path, "`user` and `userId` are both given; keep one of them")
        if user is None and user_id is None and not get(key, "tags"):
            yield Problem(path, "belongs to nobody: give `user`, `userId` or `tags`")
        if isinstance(user, str) and user not in users:
            renamed = [value for value, raw in users.items() if get(_section(raw), "renamedFrom") == user]
            if renamed:
                yield Problem((*path, "user"), f"`{user}` is `{renamed[0]}` now; write that")
                continue
            known = f"declared are: {', '.join(sorted(map(str, users)))}" if users else "none is declared"
            yield Problem(
                (*path, "user"),
                f"`{user}` is not under `users` ({known}); add it there, or give the `userId` of a user from elsewhere",
            )


def _tags_alone_need_0_28(instance: Raw) -> Iterator[Problem]:
    minor = minor_version(get(instance, "version"))
    if minor is None or minor >= (0, 28):
        return
    for name, raw in _section(get(instance, "preAuthKeys")).items():
        key = _section(raw)
        if get(key, "tags") and get(key, "user") is None and get(key, "userId") is None:
            yield Problem(("preAuthKeys", name), "a key with tags alone needs Headscale 0.28 or newer; give `user`")


def _secret_names_differ(instance: Raw) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Path] = {}
    for namespace, secret, path in secrets_of(instance):
        first = seen.setdefault((namespace, secret), path)
        if first != path:
            yield Problem(
                path,
                f"Secret `{secret}` is written by `{'.'.join(map(str, first[:-1]))}` too; name another one",
            )


def _buffers_fit(instance: Raw) -> Iterator[Problem]:
    keys: list[tuple[Path, Raw]] = [(("apiKey",), _section(get(instance, "apiKey")))]
    keys += [(("apiKeys", name), _section(raw)) for name, raw in _section(get(instance, "apiKeys")).items()]
    for path, key in keys:
        expiration, buffer = str(get(key, "expiration", "2160h")), str(get(key, "rotationBuffer", "240h"))
        try:
            fits = parse_duration(buffer) < parse_duration(expiration)
        except ValueError:
            continue
        overlap = get(key, "overlap")
        if fits and overlap is not None and _is_longer(overlap, buffer):
            yield Problem(
                (*path, "overlap"),
                f"`{overlap}` is longer than the rotation buffer, `{buffer}`: the key ends before; write less",
            )
        if not fits:
            yield Problem(
                (*path, "rotationBuffer"),
                f"`{buffer}` is not below the expiration, `{expiration}`: the key would be replaced without end; "
                "write less, a tenth of the expiration is usual",
            )


def _is_longer(one: object, other: str) -> bool:
    try:
        return parse_duration(str(one)) > parse_duration(other)
    except ValueError:
        return False


def _renewal_ends(instance: Raw) -> Iterator[Problem]:
    for name, raw in _section(get(instance, "preAuthKeys")).items():
        key = _section(raw)
        expiration, before = str(get(key, "expiration", "1h")), get(key, "renewBefore")
        try:
            fits = before is None or parse_duration(str(before)) < parse_duration(expiration)
        except ValueError:
            continue
        if not fits:
            yield Problem(
                ("preAuthKeys", name, "renewBefore"),
                f"`{before}` is not below the expiration, `{expiration}`: every `pulumi up` would make a new key; "
                "write less",
            )


def _users_are_told_apart(instance: Raw) -> Iterator[Problem]:
    users = {name: _section(raw) for name, raw in _section(get(instance, "users")).items()}
    adopted: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name, user in users.items():
        adopt, before = get(user, "adopt"), get(user, "renamedFrom")
        if adopt is not None and not isinstance(adopt, bool):
            first = adopted.setdefault(str(adopt), name)
            if first != name:
                yield Problem(("users", name, "adopt"), f"`{adopt}` is adopted by `{first}` too; one of them is wrong")
        if get(user, "forceDelete") is True and get(user, "retain") is True:
            yield Problem(("users", name), "`forceDelete` and `retain` contradict each other; keep one of them")
        if before is None:
            continue
        first = renamed.setdefault(str(before), name)
        if before == name:
            yield Problem(("users", name, "renamedFrom"), "is the name that it has; leave it out")
        elif before in users:
            yield Problem(
                ("users", name, "renamedFrom"),
                f"`{before}` is still under `users`; where that is the same person, remove it there; where names are "
                "passed on or swapped, rename one user in each `pulumi up`, by a name in between",
            )
        elif first != name:
            yield Problem(("users", name, "renamedFrom"), f"`{first}` is renamed from `{before}` too; keep one of them")


def _transport_is_spoken(instance: Raw) -> Iterator[Problem]:
    connection, minor = _section(get(instance, "connection")), minor_version(get(instance, "version"))
    transport, path = get(connection, "transport"), ("connection", "transport")
    managed = get(_section(get(instance, "apiKey")), "autoManage", True)
    channel = get(connection, "channel") or ("relay" if managed else "pod")
    if transport is None or minor is None:
        return
    if channel != "pod":
        yield Problem(path, f"is for `channel: pod`; with `{channel}` it is found out, leave it out")
    elif transport == "grpc" and minor > NEWEST_HEADSCALE:
        yield Problem(path, "Headscale 0.30 and newer have no gRPC; leave it out")
    elif transport == "rest" and minor < (0, 28):
        yield Problem(path, "REST is spoken with Headscale 0.28 and newer; leave it out")


def _policy_is_whole(instance: Raw) -> Iterator[Problem]:
    policy, config = get(instance, "policy"), _section(get(instance, "config"))
    if policy is None:
        return
    if at(config, "policy", "mode") not in (None, "database"):
        yield Problem(("policy",), "needs `policy.mode: database` in `config`; from a file Headscale takes no other")
    users = _section(get(instance, "users"))
    others = bool(at(config, "oidc", "issuer"))
    version = minor_version(get(instance, "version"))
    for problem in policy_problems(_section(policy), users, version=version, allow_undeclared_users=others):
        yield problem.under("policy")


def _direct_needs_an_address(instance: Raw) -> Iterator[Problem]:
    connection = _section(get(instance, "connection"))
    channel, managed = get(connection, "channel"), get(_section(get(instance, "apiKey")), "autoManage", True)
    if channel != "direct" and get(connection, "address") is not None:
        yield Problem(("connection", "address"), "is for `channel: direct`; write that too, or leave it out")
    if channel == "direct" and get(connection, "address") is None:
        yield Problem(
            ("connection", "address"),
            "is required with `channel: direct`, as `vpn.example.com:50443` or `https://vpn.example.com`",
        )
    if channel == "direct" and get(connection, "apiKey") is None and get(connection, "apiKeySecret") is None:
        yield Problem(("connection",), "`channel: direct` needs `apiKeySecret` or `apiKey`")
    if channel == "relay" and not managed:
        yield Problem(
            ("connection", "channel"), "`relay` is the sidecar's; with `apiKey.autoManage: false` write `pod`"
        )


_GRPC_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})")
_REST_ADDRESS = re.compile(r"https://[^\s/]+/?")


def _address_is_spoken_to(instance: Raw) -> Iterator[Problem]:
    address, minor = get(_section(get(instance, "connection")), "address"), minor_version(get(instance, "version"))
    path = ("connection", "address")
    if not isinstance(address, str):
        return
    if _REST_ADDRESS.fullmatch(address):
        if minor is not None and minor < (0, 28):
            yield Problem(path, "REST is spoken with Headscale 0.28 and newer; write `host:port` of its gRPC listener")
    elif _GRPC_ADDRESS.fullmatch(address):
        if minor is not None and minor > NEWEST_HEADSCALE:
            yield Problem(path, "Headscale 0.30 and newer have no gRPC; write `https://` and the host")
    else:
        yield Problem(
            path,
            f"`{address}` is no address: write `host:port` for gRPC, or `https://host` for REST; no key goes in clear",
        )


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


def _paths_lead_somewhere(instance: Raw) -> Iterator[Problem]:
    """Find paths that nothing in the pod would be at: its root is read-only, and empty but for Headscale."""
    mounts = get(_section(get(instance, "pod")), "volumeMounts") or ()
    folders = [str(get(_section(mount), "mountPath")) for mount in mounts if isinstance(mounts, list | tuple)]
    for path in _PATHS_IN_POD:
        values = at(_section(get(instance, "config")), *path)
        listed = isinstance(values, list | tuple)
        for index, value in enumerate(values if listed else [values]):
            if not isinstance(value, str) or not value.startswith("/"):
                continue
            there = value in _section(get(instance, "files"))
            if there or any(value.startswith(f"{folder.rstrip('/')}/") for folder in (DATA_DIRECTORY, *folders)):
                continue
            yield Problem(
                ("config", *path, *((index,) if listed else ())),
                f"`{value}` is not there in the pod; give it under `files`, or name a file on the volume, in "
                f"`{DATA_DIRECTORY}`",
            )


RULES: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _one_replica,
    _known_version,
    _key_owner,
    _tags_alone_need_0_28,
    _secret_names_differ,
    _buffers_fit,
    _renewal_ends,
    _users_are_told_apart,
    _transport_is_spoken,
    _policy_is_whole,
    _direct_needs_an_address,
    _address_is_spoken_to,
    _paths_lead_somewhere,
)
