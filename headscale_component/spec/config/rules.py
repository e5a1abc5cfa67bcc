"""Rules between keys of the configuration: what Headscale refuses at start, and what it takes and should not.

They run on what is valid of it; rules of one key alone are in its type.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headscale_component.spec.config.types import Minor, go_seconds
from headscale_component.spec.config.versions import unread_keys
from headscale_component.spec.errors import Problem
from headscale_component.spec.model import is_output
from headscale_component.spec.valid_part import rule

if TYPE_CHECKING:
    from headscale_component.spec.config.dns import ExtraRecord
    from headscale_component.spec.config.root import HeadscaleConfig

SECRETS: tuple[tuple[str, ...], ...] = (("oidc", "client_secret"), ("database", "postgres", "pass"))
"""Values that must not stand in a stack file or ConfigMap in clear."""

RETIRED = {
    ("acl_policy_path",): "was replaced in 0.23, and no version from 0.26 on reads it; write `policy.path`",
    ("dns_config",): "was replaced in 0.23, and no version from 0.26 on reads it; write `dns`",
    ("dns", "use_username_in_magic_dns"): "Headscale does not start with it; leave it out",
    ("oidc", "strip_email_domain"): "Headscale does not start with it since 0.26; leave it out",
    ("oidc", "map_legacy_users"): "Headscale does not start with it since 0.26; leave it out",
    ("cli",): "is for headscale's command line, not for the server; leave it out",
}
"""Keys that are known for what they were, or for being something else."""

_SHORTEST_INTERVAL_SECONDS = 2
_IP_VERSIONS = {"A": 4, "AAAA": 6}


def broken_config_rules(config: HeadscaleConfig, minor: Minor | None) -> list[Problem]:
    """Return the problems between keys.

    Args:
        config: The configuration, or its valid part.
        minor: Headscale's minor version, None where it is not known.
    """
    found = chain.from_iterable(check(config) for check in RULES)
    return [problem.under("config") for problem in chain(found, unread_keys(config, minor))]


def is_secret_reference(value: object) -> bool:
    """Return whether a value is `{secretKeyRef: {name: …, key: …}}`."""
    if not isinstance(value, Mapping) or set(value) != {"secretKeyRef"}:
        return False
    reference = value["secretKeyRef"]
    return isinstance(reference, Mapping) and set(reference) == {"name", "key"}


@rule
def check_base_domain(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find a domain of nodes that holds Headscale's own host."""
    if is_output(config.server_url) or is_output(config.dns.base_domain) or not config.dns.base_domain:
        return
    host = (urlsplit(config.server_url).hostname or "").lower().rstrip(".")
    domain = config.dns.base_domain.lower()
    if host == domain or host.endswith(f".{domain}"):
        yield Problem(
            ("dns", "base_domain"),
            f"`{domain}` holds the host of server_url, `{host}`: nodes would lose their way to Headscale; "
            "choose a domain of its own, as `tailnet.example.com`",
        )


def check_dns(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find settings of names that need others, or exclude them."""
    yield from _check_magic_dns(config)
    yield from _check_override(config)
    yield from _check_extra_records(config)


@rule
def _check_magic_dns(config: HeadscaleConfig) -> Iterator[Problem]:
    if config.dns.magic_dns is True and config.dns.base_domain in (None, ""):
        yield Problem(("dns", "base_domain"), "is required with `magic_dns`; Headscale does not start without")


@rule
def _check_override(config: HeadscaleConfig) -> Iterator[Problem]:
    if config.dns.override_local_dns is True and not config.dns.nameservers.global_:
        yield Problem(
            ("dns", "nameservers", "global"),
            "is required with `override_local_dns`: give at least one address, or switch `override_local_dns` off",
        )


@rule
def _check_extra_records(config: HeadscaleConfig) -> Iterator[Problem]:
    records = config.dns.extra_records
    if records is not None and config.dns.extra_records_path is not None:
        yield Problem(
            ("dns", "extra_records_path"),
            "Headscale does not start with `extra_records` beside it, not even an empty list; keep one of them",
        )
    for index, record in enumerate(records or ()):
        yield from _check_extra_record(index, record)


@rule
def _check_extra_record(index: int, record: ExtraRecord) -> Iterator[Problem]:
    version = _IP_VERSIONS[record.type]
    if not is_output(record.value) and not _is_address(record.value, version):
        yield Problem(("dns", "extra_records", index, "value"), f"must be an IPv{version} address")


def _is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


@rule
def check_prefixes(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find nodes that get no address."""
    if config.prefixes.v4 in (None, "") and config.prefixes.v6 in (None, ""):
        yield Problem(("prefixes",), "`v4` and `v6` are both empty; nodes need addresses, give one of them")


@rule
def check_derp_sources(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find nodes that get no relay."""
    derp = config.derp
    if is_output(derp.server.enabled):
        return
    if not derp.server.enabled and not derp.urls and not derp.paths:
        yield Problem(
            ("derp",),
            "gives nodes no relay, and Headscale does not start without; enable `server`, or give `urls` or `paths`",
        )
    if derp.server.enabled and derp.server.automatically_add_embedded_derp_region is False and not derp.paths:
        yield Problem(
            ("derp", "server", "automatically_add_embedded_derp_region"),
            "leaves the embedded relay in no relay map, and Headscale does not start without; leave it out, or give a "
            "map that holds it under `paths`",
        )


@rule
def check_key_paths_differ(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find one file for two keys."""
    if config.derp.server.private_key_path == config.noise.private_key_path:
        yield Problem(
            ("derp", "server", "private_key_path"), "is the noise key's file; Headscale refuses that, name another one"
        )


@rule
def check_tls(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find half of a certificate's files, or two sources of certificates."""
    if config.tls_cert_path and not config.tls_key_path:
        yield Problem(("tls_key_path",), "is required with `tls_cert_path`: TLS needs both")
    if config.tls_key_path and not config.tls_cert_path:
        yield Problem(("tls_cert_path",), "is required with `tls_key_path`: Headscale would serve in clear silently")
    present = "tls_cert_path" if config.tls_cert_path else "tls_key_path"
    if (config.tls_cert_path or config.tls_key_path) and config.tls_letsencrypt_hostname:
        yield Problem(
            ("tls_letsencrypt_hostname",), f"Headscale does not start with `{present}` beside it; keep one of them"
        )


@rule
def check_ephemeral_timeout(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find one timeout under two names."""
    old_name = "ephemeral_node_inactivity_timeout"
    if old_name in config.model_fields_set and config.node.ephemeral.inactivity_timeout is not None:
        yield Problem(
            (old_name,), "is the old name of `node.ephemeral.inactivity_timeout`, which is given too; keep one"
        )


@rule
def check_probes(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find probes of subnet routers that Headscale does not start with."""
    ha, path = config.node.routes.ha, ("node", "routes", "ha")
    if is_output(ha.probe_interval) or is_output(ha.probe_timeout):
        return
    interval, timeout = go_seconds(ha.probe_interval), go_seconds(ha.probe_timeout)
    if not interval:
        return
    if interval < _SHORTEST_INTERVAL_SECONDS:
        yield Problem((*path, "probe_interval"), "must be 0 or at least 2s, Headscale's own bound")
    if not 1 <= timeout < interval:
        yield Problem((*path, "probe_timeout"), "must be at least 1s and less than `probe_interval`")


@rule
def check_database(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find a database of which nothing is known."""
    if config.database.type == "postgres" and config.database.postgres is None:
        yield Problem(("database", "postgres"), "is required with `type: postgres`: give `host`, `name` and `user`")


@rule
def check_oidc_secret(config: HeadscaleConfig) -> Iterator[Problem]:
    """Find a login without a secret, or with two."""
    if config.oidc is None:
        return
    has_secret, has_path = config.oidc.client_secret is not None, config.oidc.client_secret_path is not None
    if has_secret == has_path:
        what = "both are given" if has_secret else "is required"
        yield Problem(
            ("oidc", "client_secret"),
            f"{what}: write `client_secret: {{secretKeyRef: …}}` or `client_secret_path`, one of them",
        )


RULES: tuple[Callable[[HeadscaleConfig], Iterator[Problem]], ...] = (
    check_base_domain,
    check_dns,
    check_prefixes,
    check_derp_sources,
    check_key_paths_differ,
    check_tls,
    check_ephemeral_timeout,
    check_probes,
    check_database,
    check_oidc_secret,
)
