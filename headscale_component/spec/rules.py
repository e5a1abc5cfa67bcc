"""Rules between fields.

They read the document as it was written, so that they find their problems also where another field is wrong:
a person gets every problem at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from headscale_api.durations import parse_duration
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import is_output
from headscale_component.versions import OLDEST_HEADSCALE

Raw = Mapping[str, Any]
Path = tuple[PathPart, ...]


def broken_rules(instance: object) -> list[Problem]:
    """Return the problems between fields of one instance.

    Args:
        instance: The instance as it was written; what has the wrong shape is left to the models.
    """
    return list(chain.from_iterable(rule(_section(instance)) for rule in RULES))


def secrets_of(instance: Raw) -> Iterator[tuple[str, Path]]:
    """Yield each Secret that an instance writes, with the path that names it."""
    api_key = _section(get(instance, "apiKey"))
    if get(api_key, "autoManage", True):
        yield str(get(api_key, "secretName", "headscale-api-key")), ("apiKey", "secretName")
    for section in ("preAuthKeys", "apiKeys"):
        for name, key in _section(get(instance, section)).items():
            yield str(get(_section(key), "secretName") or name), (section, name, "secretName")


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


def minor_version(version: object) -> tuple[int, int] | None:
    """Return major and minor number of a version, None where it is not one."""
    numbers = str(version).removeprefix("v").split(".")
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers[:2]):  # noqa: PLR2004 - major and minor
        return None
    return int(numbers[0]), int(numbers[1])


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
            known = f"declared are: {', '.join(sorted(users))}" if users else "none is declared"
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
    seen: dict[str, Path] = {}
    for secret, path in secrets_of(instance):
        first = seen.setdefault(secret, path)
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
        if not fits:
            yield Problem(
                (*path, "rotationBuffer"),
                f"`{buffer}` is not below the expiration, `{expiration}`: the key would be replaced without end; "
                "write less, a tenth of the expiration is usual",
            )


def _server_url(instance: Raw) -> Iterator[Problem]:
    config = _section(get(instance, "config"))
    url, base_domain = config.get("server_url"), _section(config.get("dns")).get("base_domain")
    if not isinstance(url, str):
        return
    if not url.startswith(("http://", "https://")):
        yield Problem(("config", "server_url"), "must begin with http:// or https://, as `https://vpn.example.com`")
        return
    host, domain = (urlsplit(url).hostname or "").rstrip("."), str(base_domain or "").lower().rstrip(".")
    if domain and (host == domain or host.endswith(f".{domain}")):
        yield Problem(
            ("config", "dns", "base_domain"),
            f"`{domain}` holds the host of server_url, `{host}`: nodes would lose their way to Headscale; "
            "choose a domain of its own, as `tailnet.example.com`",
        )


def _dns_is_complete(instance: Raw) -> Iterator[Problem]:
    dns = _section(_section(get(instance, "config")).get("dns"))
    if dns.get("magic_dns") is True and not dns.get("base_domain"):
        yield Problem(
            ("config", "dns", "base_domain"), "is required with `magic_dns`; Headscale does not start without"
        )
    if dns.get("override_local_dns") is True and not _section(dns.get("nameservers")).get("global"):
        yield Problem(
            ("config", "dns", "nameservers", "global"),
            "is required with `override_local_dns`: give at least one address, or switch `override_local_dns` off",
        )


def _removed_in_0_29(instance: Raw) -> Iterator[Problem]:
    minor = minor_version(get(instance, "version"))
    if minor is None or minor < (0, 29):
        return
    config = _section(get(instance, "config"))
    if config.get("randomize_client_port") is not None:
        yield Problem(
            ("config", "randomize_client_port"),
            "0.29 does not start with it, even when it is false; write `randomizeClientPort` in the policy instead",
        )
    if "expiry" in _section(config.get("oidc")):
        yield Problem(("config", "oidc", "expiry"), "0.29 does not start with it; write `node.expiry` instead")


SECRET_LEAVES: tuple[tuple[str, ...], ...] = (("oidc", "client_secret"), ("database", "postgres", "pass"))
"""Configuration values that must not stand in a stack file or ConfigMap in clear."""


def _secrets_by_reference(instance: Raw) -> Iterator[Problem]:
    for path in SECRET_LEAVES:
        value: Any = _section(get(instance, "config"))
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None or is_output(value) or is_secret_reference(value):
            continue
        yield Problem(
            ("config", *path),
            "is a secret and would stand in clear; write `{secretKeyRef: {name: SECRET, key: KEY}}`, "
            "or give a Pulumi secret in Python",
        )


def is_secret_reference(value: object) -> bool:
    """Return whether a value is `{secretKeyRef: {name: …, key: …}}`."""
    if not isinstance(value, Mapping) or set(value) != {"secretKeyRef"}:
        return False
    reference = value["secretKeyRef"]
    return isinstance(reference, Mapping) and set(reference) == {"name", "key"}


def _direct_needs_an_address(instance: Raw) -> Iterator[Problem]:
    connection = _section(get(instance, "connection"))
    channel, managed = get(connection, "channel"), get(_section(get(instance, "apiKey")), "autoManage", True)
    if channel == "direct" and get(connection, "address") is None:
        yield Problem(("connection", "address"), "is required with `channel: direct`, as `vpn.example.com:50443`")
    if channel == "direct" and get(connection, "apiKey") is None and get(connection, "apiKeySecret") is None:
        yield Problem(("connection",), "`channel: direct` needs `apiKeySecret` or `apiKey`")
    if channel == "relay" and not managed:
        yield Problem(
            ("connection", "channel"), "`relay` is the sidecar's; with `apiKey.autoManage: false` write `pod`"
        )


RULES: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _one_replica,
    _known_version,
    _key_owner,
    _tags_alone_need_0_28,
    _secret_names_differ,
    _buffers_fit,
    _server_url,
    _dns_is_complete,
    _removed_in_0_29,
    _secrets_by_reference,
    _direct_needs_an_address,
)
