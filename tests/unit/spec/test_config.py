"""Configurations that would stop Headscale, or that it would take and misread: each is refused, at its path."""

import re

import pytest

from headscale_component import HeadscaleArgs, SpecError
from headscale_component.manifests.config_yaml import config_tree
from headscale_component.spec.config import HeadscaleConfig
from headscale_component.spec.config.types import Since, Until
from headscale_component.spec.config.versions import fields, marker_of

POSTGRES = {"host": "db", "name": "headscale", "user": "headscale"}
OIDC = {"issuer": "https://id.example.com", "client_id": "h", "client_secret_path": "/var/lib/headscale/s"}


def problems(config, version="v0.28.0"):
    document = {"version": version, "config": {"server_url": "https://vpn.example.com", **config}}
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate(document)
    return {
        ".".join(map(str, problem.path)).removeprefix("config."): problem.message for problem in caught.value.problems
    }


def rendered(config=None, version="v0.28.0"):
    document = {"version": version, "config": {"server_url": "https://vpn.example.com", **(config or {})}}
    return config_tree(HeadscaleArgs.model_validate(document))


BAD = {
    "no scheme": ({"server_url": "vpn.example.com"}, "server_url", "must begin with http:// or https://"),
    "no host": ({"server_url": "https://"}, "server_url", "name a host"),
    "scheme in capitals": ({"server_url": "HTTPS://vpn.example.com"}, "server_url", "in small letters"),
    "port in letters": ({"server_url": "https://vpn.example.com:abc"}, "server_url", "is no URL: its port"),
    "port above 65535": ({"server_url": "https://vpn.example.com:99999"}, "server_url", "is no URL: its port"),
    "escape of no byte": ({"server_url": "https://vpn.example.com/%zz"}, "server_url", "is no URL"),
    **{
        f"URL of {what}": ({"server_url": text}, "server_url", "is no URL")
        for what, text in (
            ("a host with a backslash", "https://a\\b"),
            ("a host with a caret", "https://a^b"),
            ("a host with braces", "https://{{host}}"),
            ("a host with an escape", "https://a%41b"),
            ("a host of a future kind", "https://[v1.x]"),
            ("a path with a control character", "https://vpn.example.com/\x7f"),
        )
    },
    "relay map with an escape of no byte": ({"derp": {"urls": ["https://a.b/%zz"]}}, "derp.urls.0", "is no URL"),
    "relay map of no host": ({"derp": {"urls": ["https://a|b/"]}}, "derp.urls.0", "is no URL"),
    "nameserver with half of a bracket": (
        {"dns": {"nameservers": {"global": ["https://[x"]}}},
        "dns.nameservers.global.0",
        "no nameserver",
    ),
    "password in the URL": ({"server_url": "https://u:p@vpn.example.com"}, "server_url", "no user and password"),
    "query in the URL": ({"server_url": "https://vpn.example.com?x=1"}, "server_url", "neither `?` nor `#`"),
    "loopback": ({"listen_addr": "127.0.0.1:8080"}, "listen_addr", "from inside the pod alone"),
    "loopback by name": ({"listen_addr": "localhost:8080"}, "listen_addr", "write `0.0.0.0:8080`"),
    "loopback of IPv6": ({"listen_addr": "[::1]:8080"}, "listen_addr", "from inside the pod alone"),
    "address of one pod": ({"listen_addr": "10.1.2.3:8080"}, "listen_addr", "no address that every pod has"),
    "STUN on the loopback": (
        {"derp": {"server": {"enabled": True, "stun_listen_addr": "127.0.0.1:3478"}}},
        "derp.server.stun_listen_addr",
        "from inside the pod alone",
    ),
    "ACME on the loopback": (
        {"tls_letsencrypt_hostname": "vpn.example.com", "tls_letsencrypt_listen": "127.0.0.1:8089"},
        "tls_letsencrypt_listen",
        "from inside the pod alone",
    ),
    "port of the sidecar": ({"listen_addr": "0.0.0.0:8081"}, "listen_addr", "the sidecar's health endpoint"),
    "port of the relay": ({"metrics_listen_addr": ":50480"}, "metrics_listen_addr", "the sidecar's relay"),
    "port in words and numbers": (
        {"listen_addr": "0.0.0.0:http", "metrics_listen_addr": "0.0.0.0:080"},
        "metrics_listen_addr",
        "that of `listen_addr` too",
    ),
    "port 80 beside ACME": (
        {"tls_letsencrypt_hostname": "vpn.example.com", "listen_addr": "0.0.0.0:80"},
        "listen_addr",
        "on which the certificate authority asks",
    ),
    "base domain is the host": ({"dns": {"base_domain": "VPN.example.com"}}, "dns.base_domain", "lose their way"),
    "base domain over the host": ({"dns": {"base_domain": "example.com"}}, "dns.base_domain", "lose their way"),
    "base domain over the host with a port": (
        {"server_url": "https://vpn.example.com:443", "dns": {"base_domain": "example.com"}},
        "dns.base_domain",
        "lose their way",
    ),
    "base domain with a dot": ({"dns": {"base_domain": "a.net."}}, "dns.base_domain", "without a dot at the end"),
    "magic dns without domain": ({"dns": {"magic_dns": True}}, "dns.base_domain", "is required with `magic_dns`"),
    "override without servers": (
        {"dns": {"override_local_dns": True}},
        "dns.nameservers.global",
        "is required with `override_local_dns`",
    ),
    **{
        f"IPv4 range as {text}": ({"prefixes": {"v4": text}}, "prefixes.v4", "no range of IPv4 addresses")
        for text in ("100.64.0.0/255.192.0.0", "100.64.0.0/0.63.255.255", "100.64.0.0/010", "100.64.0.0")
    },
    **{
        f"IPv6 range as {text}": ({"prefixes": {"v6": text}}, "prefixes.v6", "no range of IPv6 addresses")
        for text in ("fd7a:115c:a1e0::/048", "fd7a::%eth0/48", "100.64.0.0/10")
    },
    "port in digits of another script": ({"listen_addr": ":\uff18\uff10\uff18\uff10"}, "listen_addr", "is no address"),
    "expiry in digits of another script": ({"oidc": {**OIDC, "expiry": "\u0661d"}}, "oidc.expiry", "is no duration"),
    "nameserver": ({"dns": {"nameservers": {"global": ["one.one"]}}}, "dns.nameservers.global.0", "no nameserver"),
    "split in capitals": (
        {"dns": {"nameservers": {"split": {"Corp.example": ["10.0.0.1"]}}}},
        "dns.nameservers.split.Corp.example",
        "write `corp.example`",
    ),
    "records and a file of them": (
        {"dns": {"extra_records": [], "extra_records_path": "/var/lib/headscale/r.json"}},
        "dns.extra_records_path",
        "keep one of them",
    ),
    "a CNAME": (
        {"dns": {"extra_records": [{"name": "a.b", "type": "CNAME", "value": "c.d"}]}},
        "dns.extra_records.0.type",
        "`A` or `AAAA`",
    ),
    "an address of the other kind": (
        {"dns": {"extra_records": [{"name": "a.b", "type": "AAAA", "value": "10.0.0.1"}]}},
        "dns.extra_records.0.value",
        "must be an IPv6 address",
    ),
    "no port": ({"listen_addr": "0.0.0.0"}, "listen_addr", "no address to listen on"),
    "a port too high": ({"listen_addr": "0.0.0.0:70000"}, "listen_addr", "no address to listen on"),
    "one port twice": ({"metrics_listen_addr": "0.0.0.0:8080"}, "metrics_listen_addr", "is that of `listen_addr`"),
    "prefix": ({"prefixes": {"v4": "nonsense"}}, "prefixes.v4", "no range of IPv4"),
    "prefix of the other kind": ({"prefixes": {"v4": "fd7a::/48"}}, "prefixes.v4", "no range of IPv4"),
    "no prefix": ({"prefixes": {"v4": None, "v6": None}}, "prefixes", "both empty"),
    "allocation": ({"prefixes": {"allocation": "rand"}}, "prefixes.allocation", "`sequential` or `random`"),
    "no relay": ({"derp": {"urls": []}}, "derp", "no relay"),
    "a relay that nobody hears of": (
        {"derp": {"urls": [], "server": {"enabled": True, "automatically_add_embedded_derp_region": False}}},
        "derp.server.automatically_add_embedded_derp_region",
        "no relay",
    ),
    "relay map": ({"derp": {"urls": ["ftp://a"]}}, "derp.urls.0", "must begin with http:// or https://"),
    "one file for two keys": (
        {"derp": {"server": {"enabled": True, "private_key_path": "/var/lib/headscale/noise_private.key"}}},
        "derp.server.private_key_path",
        "the noise key's file",
    ),
    "a duration in days": ({"ephemeral_node_inactivity_timeout": "1d"}, "ephemeral_node_inactivity_timeout", "`24h`"),
    "a bare number": ({"derp": {"update_frequency": "3"}}, "derp.update_frequency", "no duration of Go's"),
    "away too short": (
        {"ephemeral_node_inactivity_timeout": "65s"},
        "ephemeral_node_inactivity_timeout",
        "more than 65s",
    ),
    "level": ({"log": {"level": "verbose"}}, "log.level", "`trace`, `debug`"),
    "policy mode": ({"policy": {"mode": "Database"}}, "policy.mode", "`file` or `database`"),
    "challenge": ({"tls_letsencrypt_challenge_type": "DNS-01"}, "tls_letsencrypt_challenge_type", "`HTTP-01`"),
    "certificate without key": ({"tls_cert_path": "/var/lib/headscale/c"}, "tls_key_path", "TLS needs both"),
    "key without certificate": (
        {"tls_key_path": "/var/lib/headscale/k"},
        "tls_cert_path",
        "serve in clear silently",
    ),
    "two ways to TLS": (
        {
            "tls_cert_path": "/var/lib/headscale/c",
            "tls_key_path": "/var/lib/headscale/k",
            "tls_letsencrypt_hostname": "vpn.example.com",
        },
        "tls_letsencrypt_hostname",
        "keep one of them",
    ),
    "mode of the socket as a number": (
        {"unix_socket_permission": 504},
        "unix_socket_permission",
        'in quotes, as "0770"',
    ),
    "mode of the socket": ({"unix_socket_permission": "0o770"}, "unix_socket_permission", "three octal digits"),
    "place of the socket": ({"unix_socket": "/tmp/h.sock"}, "unix_socket", "that the sidecar shares"),
    "socket that is a folder": ({"unix_socket": "/var/run/headscale/.."}, "unix_socket", "that the sidecar shares"),
    "socket with a long path": (
        {"unix_socket": f"/var/run/headscale/{'a' * 100}"},
        "unix_socket",
        "has 119 bytes, and Linux has room for 107",
    ),
    "path that leaves the volume": (
        {"noise": {"private_key_path": "/var/lib/headscale/../key"}},
        "noise.private_key_path",
        "is not there in the pod",
    ),
    "database": ({"database": {"type": "mysql"}}, "database.type", "`sqlite` or `postgres`"),
    "postgres without its section": ({"database": {"type": "postgres"}}, "database.postgres", "is required"),
    "postgres without name": (
        {"database": {"type": "postgres", "postgres": {"host": "db", "user": "h"}}},
        "database.postgres.name",
        "is required and missing",
    ),
    "postgres with ssl true": (
        {"database": {"type": "postgres", "postgres": {**POSTGRES, "ssl": True}}},
        "database.postgres.ssl",
        "falls back to clear text",
    ),
    "postgres of a number": (
        {"database": {"type": "postgres", "postgres": {**POSTGRES, "name": 5}}},
        "database.postgres.name",
        "must be a text, not `5`",
    ),
    "postgres with half a reference": (
        {"database": {"type": "postgres", "postgres": {**POSTGRES, "user": {"secretKeyRef": {"name": "db"}}}}},
        "database.postgres.user.secretKeyRef.key",
        "is required and missing",
    ),
    "postgres with a space": (
        {"database": {"type": "postgres", "postgres": {**POSTGRES, "user": "a b"}}},
        "database.postgres.user",
        "Headscale does not quote it",
    ),
    "write-ahead log off": (
        {"database": {"sqlite": {"write_ahead_log": False}}},
        "database.sqlite.write_ahead_log",
        "must be `true`",
    ),
    "slow threshold": (
        {"database": {"gorm": {"slow_threshold": "1s"}}},
        "database.gorm.slow_threshold",
        "a whole number",
    ),
    "checkpoint": (
        {"database": {"sqlite": {"wal_autocheckpoint": -2}}},
        "database.sqlite.wal_autocheckpoint",
        "below -1",
    ),
    "two OIDC secrets": (
        {"oidc": {**OIDC, "client_secret": {"secretKeyRef": {"name": "a", "key": "b"}}}},
        "oidc.client_secret",
        "both are given",
    ),
    "no OIDC secret": ({"oidc": {"issuer": "https://a.b", "client_id": "h"}}, "oidc.client_secret", "is required"),
    "no openid": ({"oidc": {**OIDC, "scope": ["email"]}}, "oidc.scope", "must hold `openid`"),
    "pkce": ({"oidc": {**OIDC, "pkce": {"method": "s256"}}}, "oidc.pkce.method", "`S256` or `plain`"),
    "a batch of no time": (
        {"tuning": {"node_store_batch_timeout": "0s"}},
        "tuning.node_store_batch_timeout",
        "above 0",
    ),
    "a batch of nothing": ({"tuning": {"node_store_batch_size": 0}}, "tuning.node_store_batch_size", "not above 0"),
    "a typo": ({"sever_url": "x"}, "sever_url", "did you mean `server_url`?"),
    "a typo in a section": ({"dns": {"base_domian": "x"}}, "dns.base_domian", "did you mean `base_domain`?"),
    "the old dns": ({"dns_config": {}}, "dns_config", "write `dns`"),
    "the old policy": ({"acl_policy_path": "/p"}, "acl_policy_path", "write `policy.path`"),
    "the command line's": ({"cli": {"timeout": "5s"}}, "cli", "not for the server"),
    "text for a flag": ({"disable_check_updates": "yes"}, "disable_check_updates", "must be `true` or `false`"),
}


@pytest.mark.parametrize("url", ["https://[fe80::1%25eth0]:443", "https://vpn.example.com/a%20b", "https://пример.рф"])
def test_url_that_go_reads_is_accepted(url):
    assert rendered({"server_url": url})["server_url"] == url


@pytest.mark.parametrize(("config", "path", "words"), BAD.values(), ids=BAD)
def test_bad_configuration_is_refused_at_its_path(config, path, words):
    found = problems(config)

    assert words in found[path]
    assert len(found) == 1, found


BAD_IN_A_VERSION = {
    "too new": ("v0.27.1", {"taildrop": {"enabled": False}}, "taildrop", "is new in 0.28, and 0.27 ignores it"),
    "much too new": ("v0.28.0", {"node": {"expiry": "90d"}}, "node.expiry", "is new in 0.29"),
    "in a section": (
        "v0.27.1",
        {"oidc": {**OIDC, "email_verified_required": False}},
        "oidc.email_verified_required",
        "0.28",
    ),
    "gone": (
        "v0.29.3",
        {"randomize_client_port": False},
        "randomize_client_port",
        "`randomizeClientPort` in the policy",
    ),
    "moved": ("v0.29.3", {"oidc": {**OIDC, "expiry": "90d"}}, "oidc.expiry", "write `node.expiry`"),
    "everybody is trusted": ("v0.29.3", {"trusted_proxies": ["0.0.0.0/0"]}, "trusted_proxies.0", "believe everybody"),
    "a proxy without range": ("v0.29.3", {"trusted_proxies": ["10.0.0.1"]}, "trusted_proxies.0", "no range"),
    **{
        f"everybody is trusted as {text}": (
            "v0.29.3",
            {"trusted_proxies": [text]},
            "trusted_proxies.0",
            "believe everybody",
        )
        for text in ("10.0.0.0/0", "fd00::/0", "0::/0")
    },
    **{
        f"a proxy as {text}": ("v0.29.3", {"trusted_proxies": [text]}, "trusted_proxies.0", "no range")
        for text in ("10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/08", "fd00::%eth0/8", "10.0.0.0/33")
    },
    "probes too often": (
        "v0.29.3",
        {"node": {"routes": {"ha": {"probe_interval": "1500ms", "probe_timeout": "1s"}}}},
        "node.routes.ha.probe_interval",
        "at least 2s",
    ),
    "probes too slow": (
        "v0.29.3",
        {"node": {"routes": {"ha": {"probe_timeout": "10s"}}}},
        "node.routes.ha.probe_timeout",
        "less",
    ),
    "two names of one": (
        "v0.29.3",
        {"ephemeral_node_inactivity_timeout": "5m", "node": {"ephemeral": {"inactivity_timeout": "5m"}}},
        "ephemeral_node_inactivity_timeout",
        "keep one",
    ),
    "no gRPC any more": ("v0.30.0", {"grpc_allow_insecure": True}, "grpc_allow_insecure", "has no gRPC any more"),
    "no metrics": ("v0.27.1", {"metrics_listen_addr": ""}, "metrics_listen_addr", "0.28"),
    "null for metrics": ("v0.27.1", {"metrics_listen_addr": None}, "metrics_listen_addr", "0.28"),
}


@pytest.mark.parametrize(("version", "config", "path", "words"), BAD_IN_A_VERSION.values(), ids=BAD_IN_A_VERSION)
def test_key_unsupported_by_version_is_refused(version, config, path, words):
    found = problems(config, version)

    assert words in found[path]
    assert len(found) == 1, found


def test_unknown_newer_version_is_configured_as_newest():
    assert "ephemeral_node_inactivity_timeout" not in rendered(version="v0.31.0")
    assert "randomize_client_port" in problems({"randomize_client_port": True}, "v0.31.0")


@pytest.mark.parametrize("version", ["v0.26.1", "v0.27.1", "v0.28.0", "v0.29.3", "v0.30.0"])
def test_config_holds_only_keys_the_version_reads(version):
    tree, minor = rendered(version=version), tuple(map(int, version.removeprefix("v").split(".")[:2]))

    for path, field in fields():
        section = tree
        for part in path:
            section = section.get(part) if isinstance(section, dict) else None
        since, until = marker_of(field, Since), marker_of(field, Until)
        if (since and minor < since.minor) or (until and minor > until.minor):
            assert section is None, path


def test_new_key_name_is_translated_for_older_version():
    tree = rendered({"node": {"ephemeral": {"inactivity_timeout": "5m"}}})

    assert tree["ephemeral_node_inactivity_timeout"] == "5m"
    assert "node" not in tree


def says_too_little(path, field):
    """Return whether a description cites nothing and is shorter than four words, or only has words of the key."""
    words = re.findall(r"\w+", (field.description or "").lower())
    return (len(words) < 4 and "rfc" not in words) or set(words) <= {
        "the",
        "a",
        "of",
        *"_".join(map(str, path)).split("_"),
    }


def test_sqlite3_is_headscales_other_word_for_sqlite():
    assert rendered({"database": {"type": "sqlite3"}}) == rendered({"database": {"type": "sqlite"}})


def test_metrics_are_off_with_null():
    assert "metrics_listen_addr" not in rendered({"metrics_listen_addr": None})


def test_addresses_of_inactive_listeners_are_not_checked():
    rendered({"tls_letsencrypt_listen": "127.0.0.1:http", "derp": {"server": {"stun_listen_addr": "127.0.0.1:3478"}}})


@pytest.mark.parametrize("address", [":8080", "0.0.0.0:8080", "[::]:8080"])
def test_address_of_all_interfaces_is_accepted(address):
    assert rendered({"listen_addr": address})["listen_addr"] == address


def test_ports_of_the_sidecar_are_free_without_it():
    document = {
        "version": "v0.28.0",
        "apiKey": {"autoManage": False},
        "config": {"server_url": "https://vpn.example.com", "listen_addr": ":8081", "metrics_listen_addr": ":50480"},
    }

    HeadscaleArgs.model_validate(document)


def test_container_port_taken_by_pod_is_refused():
    proxy = {"name": "proxy", "image": "proxy", "ports": [{"containerPort": 443}, {"containerPort": 8080}]}
    document = {
        "version": "v0.28.0",
        "config": {"server_url": "https://vpn.example.com"},
        "pod": {"containers": [proxy]},
    }

    with pytest.raises(
        SpecError, match=r"containers\[0\].ports\[1\].containerPort: port 8080 is that of `config.listen_addr`"
    ):
        HeadscaleArgs.model_validate(document)


@pytest.mark.parametrize(
    "section", ["derp", "dns", "log", "policy", "oidc", "node", "database", "noise", "listen_addr"]
)
def test_key_without_value_means_its_default(section):
    assert rendered({section: None}) == rendered()


def test_section_made_in_python_takes_none():
    config = HeadscaleConfig.model_validate({"server_url": "https://vpn.example.com", "dns": {"search_domains": None}})

    assert config == HeadscaleConfig(server_url="https://vpn.example.com")


def test_null_prefix_is_no_prefix():
    assert rendered({"prefixes": {"v6": None}})["prefixes"] == {"v4": "100.64.0.0/10", "allocation": "sequential"}


def test_every_key_has_a_description():
    assert [".".join(map(str, path)) for path, field in fields() if says_too_little(path, field)] == []
