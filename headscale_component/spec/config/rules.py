"""Rules between keys of the configuration: what Headscale refuses at start, and what it takes and should not.

They read the configuration as it was written, so that they find their problems also where another key is wrong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from headscale_component.spec.config.kinds import DATA_DIRECTORY, Minor, go_seconds
from headscale_component.spec.config.versions import unread_keys
from headscale_component.spec.errors import PathPart, Problem
from headscale_component.spec.model import is_output

Raw = Mapping[str, Any]

SECRETS: tuple[tuple[str, ...], ...] = (("oidc", "client_secret"), ("database", "postgres", "pass"))
"""Values that must not stand in a stack file or ConfigMap in clear."""

RETIRED = {
    ("acl_policy_path",): "Headscale does not start with it; write `policy.path`",
    ("dns_config",): "Headscale does not start with it; write `dns`",
    ("dns", "use_username_in_magic_dns"): "Headscale does not start with it; leave it out",
    ("oidc", "strip_email_domain"): "Headscale does not start with it since 0.26; leave it out",
    ("oidc", "map_legacy_users"): "Headscale does not start with it since 0.26; leave it out",
    ("cli",): "is for headscale's command line, not for the server; leave it out",
}
"""Keys that are known for what they were, or for being something else."""

_SHORTEST_AWAY_SECONDS = 65
_METRICS_MAY_BE_OFF = (0, 28)
_EVERYBODY = {"0.0.0.0/0", "::/0"}


def broken_config_rules(config: Raw, minor: Minor | None) -> list[Problem]:
    """Return the problems between keys.

    Args:
        config: The configuration as it was written; what has the wrong shape is left to the models.
        minor: Headscale's minor version, None where it is not known.
    """
    found = chain(chain.from_iterable(rule(config) for rule in RULES), _metrics_are_served(config, minor))
    return [problem.under("config") for problem in found] + list(unread_keys(config, minor))


def is_secret_reference(value: object) -> bool:
    """Return whether a value is `{secretKeyRef: {name: …, key: …}}`."""
    if not isinstance(value, Mapping) or set(value) != {"secretKeyRef"}:
        return False
    reference = value["secretKeyRef"]
    return isinstance(reference, Mapping) and set(reference) == {"name", "key"}


def at(config: Raw, *path: str) -> Any:  # noqa: ANN401 - whatever a person wrote
    """Return what stands at a path, None where nothing does."""
    value: Any = config
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _said(config: Raw, *path: str) -> bool:
    return at(config, *path) not in (None, "", [], (), {})


def _base_domain_apart(config: Raw) -> Iterator[Problem]:
    url, base_domain = at(config, "server_url"), at(config, "dns", "base_domain")
    if not isinstance(url, str) or not isinstance(base_domain, str):
        return
    host, domain = (urlsplit(url).hostname or "").lower().rstrip("."), base_domain.lower().rstrip(".")
    if domain and (host == domain or host.endswith(f".{domain}")):
        yield Problem(
            ("dns", "base_domain"),
            f"`{domain}` holds the host of server_url, `{host}`: nodes would lose their way to Headscale; "
            "choose a domain of its own, as `tailnet.example.com`",
        )


def _dns_is_complete(config: Raw) -> Iterator[Problem]:
    if at(config, "dns", "magic_dns") is True and not _said(config, "dns", "base_domain"):
        yield Problem(("dns", "base_domain"), "is required with `magic_dns`; Headscale does not start without")
    if at(config, "dns", "override_local_dns") is True and not _said(config, "dns", "nameservers", "global"):
        yield Problem(
            ("dns", "nameservers", "global"),
            "is required with `override_local_dns`: give at least one address, or switch `override_local_dns` off",
        )
    if at(config, "dns", "extra_records") is not None and at(config, "dns", "extra_records_path") is not None:
        yield Problem(
            ("dns", "extra_records_path"),
            "Headscale does not start with `extra_records` beside it, not even an empty list; keep one of them",
        )
    records = at(config, "dns", "extra_records")
    for index, record in enumerate(records if isinstance(records, list | tuple) else ()):
        version = {"A": 4, "AAAA": 6}.get(str(at(record, "type"))) if isinstance(record, Mapping) else None
        if version and not _is_address(at(record, "value"), version):
            yield Problem(("dns", "extra_records", index, "value"), f"must be an IPv{version} address")


def _is_address(value: object, version: int) -> bool:
    try:
        return is_output(value) or ipaddress.ip_address(str(value)).version == version
    except ValueError:
        return False


def _some_prefix(config: Raw) -> Iterator[Problem]:
    prefixes = at(config, "prefixes")
    if isinstance(prefixes, Mapping) and not any(prefixes.get(key, "x") for key in ("v4", "v6")):
        yield Problem(("prefixes",), "`v4` and `v6` are both empty; nodes need addresses, give one of them")


def _some_relay(config: Raw) -> Iterator[Problem]:
    if at(config, "derp", "urls") not in ([], ()) or _said(config, "derp", "paths"):
        return
    server = at(config, "derp", "server")
    if at(config, "derp", "server", "enabled") is not True:
        yield Problem(
            ("derp",),
            "gives nodes no relay, and Headscale does not start without; enable `server`, or give `urls` or `paths`",
        )
    elif isinstance(server, Mapping) and server.get("automatically_add_embedded_derp_region") is False:
        yield Problem(
            ("derp", "server", "automatically_add_embedded_derp_region"),
            "leaves nodes with no relay, and Headscale does not start without; leave it out, or give `urls` or `paths`",
        )


def _keys_apart(config: Raw) -> Iterator[Problem]:
    noise = at(config, "noise", "private_key_path") or f"{DATA_DIRECTORY}/noise_private.key"
    if at(config, "derp", "server", "private_key_path") == noise:
        yield Problem(
            ("derp", "server", "private_key_path"), "is the noise key's file; Headscale refuses that, name another one"
        )


def _one_way_to_tls(config: Raw) -> Iterator[Problem]:
    pair = [key for key in ("tls_cert_path", "tls_key_path") if _said(config, key)]
    if len(pair) == 1:
        other = "tls_key_path" if pair[0] == "tls_cert_path" else "tls_cert_path"
        why = "Headscale would serve in clear without a word" if other == "tls_cert_path" else "TLS needs both"
        yield Problem((other,), f"is required with `{pair[0]}`: {why}")
    if pair and _said(config, "tls_letsencrypt_hostname"):
        yield Problem(
            ("tls_letsencrypt_hostname",), f"Headscale does not start with `{pair[0]}` beside it; keep one of them"
        )


def _ephemeral_nodes_get_their_time(config: Raw) -> Iterator[Problem]:
    paths = (("ephemeral_node_inactivity_timeout",), ("node", "ephemeral", "inactivity_timeout"))
    said = [path for path in paths if _said(config, *path)]
    if len(said) == len(paths):
        yield Problem(paths[0], "is the old name of `node.ephemeral.inactivity_timeout`, which is given too; keep one")
    for path in said:
        seconds = _seconds(at(config, *path))
        if seconds is not None and seconds <= _SHORTEST_AWAY_SECONDS:
            yield Problem(path, f"`{at(config, *path)}` is too short: Headscale wants more than 65s")


def _probes_fit(config: Raw) -> Iterator[Problem]:
    path = ("node", "routes", "ha")
    interval = _seconds(at(config, *path, "probe_interval") or "10s")
    timeout = _seconds(at(config, *path, "probe_timeout") or "5s")
    if not interval or timeout is None:
        return
    if interval < 2:  # noqa: PLR2004 - Headscale's own bound
        yield Problem((*path, "probe_interval"), "must be 0 or at least 2s, Headscale's own bound")
    if not 1 <= timeout < interval:
        yield Problem((*path, "probe_timeout"), "must be at least 1s and less than `probe_interval`")


def _batches_take_time(config: Raw) -> Iterator[Problem]:
    path = ("tuning", "node_store_batch_timeout")
    if _seconds(at(config, *path)) == 0:
        yield Problem(path, "must be above 0; Headscale does not start with it")


def _seconds(value: object) -> float | None:
    try:
        return go_seconds(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _database_is_told(config: Raw) -> Iterator[Problem]:
    if at(config, "database", "type") == "postgres" and not _said(config, "database", "postgres"):
        yield Problem(("database", "postgres"), "is required with `type: postgres`: give `host`, `name` and `user`")
    if at(config, "database", "postgres", "ssl") is True:
        yield Problem(
            ("database", "postgres", "ssl"),
            "`true` falls back to clear text where the server has no TLS; write `require` or `verify-full`",
        )


def _one_oidc_secret(config: Raw) -> Iterator[Problem]:
    if not _said(config, "oidc"):
        return
    given = [key for key in ("client_secret", "client_secret_path") if at(config, "oidc", key) is not None]
    if len(given) != 1:
        what = "both are given" if given else "is required"
        yield Problem(
            ("oidc", "client_secret"),
            f"{what}: write `client_secret: {{secretKeyRef: …}}` or `client_secret_path`, one of them",
        )
    scope = at(config, "oidc", "scope")
    if isinstance(scope, list | tuple) and "openid" not in scope:
        yield Problem(("oidc", "scope"), "must hold `openid`; no provider says who logs in without")


def _lower_case_names(config: Raw) -> Iterator[Problem]:
    for path in (("dns", "nameservers", "split"), ("oidc", "extra_params")):
        names = at(config, *path)
        for name in names if isinstance(names, Mapping) else ():
            if isinstance(name, str) and name != name.lower():
                yield Problem((*path, name), f"Headscale reads the name in lower case; write `{name.lower()}`")


def _proxies_are_few(config: Raw) -> Iterator[Problem]:
    proxies = at(config, "trusted_proxies")
    for index, proxy in enumerate(proxies if isinstance(proxies, list | tuple) else ()):
        try:
            known = is_output(proxy) or ("/" in str(proxy) and bool(ipaddress.ip_network(str(proxy), strict=False)))
        except ValueError:
            known = False
        path: tuple[PathPart, ...] = ("trusted_proxies", index)
        if not known:
            yield Problem(path, f"`{proxy}` is no range of addresses; write for example `10.0.0.0/8`")
        elif str(proxy) in _EVERYBODY:
            yield Problem(path, "would believe everybody, and Headscale does not start with it; name your proxies")


def _ports_apart(config: Raw) -> Iterator[Problem]:
    defaults = {"listen_addr": "0.0.0.0:8080", "metrics_listen_addr": "0.0.0.0:9090", "grpc_listen_addr": ":50443"}
    if _said(config, "tls_letsencrypt_hostname"):
        defaults["tls_letsencrypt_listen"] = "0.0.0.0:8089"
    seen: dict[str, str] = {}
    for key, default in defaults.items():
        address = config.get(key, default)
        port = address.rpartition(":")[2] if isinstance(address, str) else ""
        if port and port in seen:
            yield Problem((key,), f"port {port} is that of `{seen[port]}` too; give another one")
        seen.setdefault(port, key)


def _metrics_are_served(config: Raw, minor: Minor | None) -> Iterator[Problem]:
    if minor is not None and minor < _METRICS_MAY_BE_OFF and config.get("metrics_listen_addr") == "":
        yield Problem(("metrics_listen_addr",), "can be off from 0.28 on; give an address, as `0.0.0.0:9090`")


RULES: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _base_domain_apart,
    _dns_is_complete,
    _some_prefix,
    _some_relay,
    _keys_apart,
    _one_way_to_tls,
    _ephemeral_nodes_get_their_time,
    _probes_fit,
    _batches_take_time,
    _database_is_told,
    _one_oidc_secret,
    _lower_case_names,
    _proxies_are_few,
    _ports_apart,
)
