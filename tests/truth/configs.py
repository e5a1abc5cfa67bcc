"""Configurations: Headscale's own examples, and each key with values that are right, nearly right, and wrong."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.truth.case import Case
from tests.truth.engine import VERSIONS
from tests.truth.own_data import source

_URL = "https://vpn.example.com"
_DNS = {"nameservers": {"global": ["1.1.1.1"]}, "override_local_dns": True, "magic_dns": True}
_POSTGRES = {"host": "db", "port": 5432, "name": "headscale", "user": "headscale"}
_OIDC = {
    "issuer": "https://id.example.com",
    "client_id": "headscale",
    "client_secret": {"secretKeyRef": {"name": "a", "key": "b"}},
}
_FLAGS: tuple[Any, ...] = (True, False, "true", "yes", 1, None)
_DURATIONS: tuple[Any, ...] = ("66s", "2m", "1h30m", "36h", "60s", "1d", "0", "-1h", "", "x", "65s", 90, None)
_LEVELS: tuple[Any, ...] = ("info", "trace", "warn", "error", "warning", "INFO", "x", "", "fatal", "disabled", None)

VALUES: dict[str, tuple[Any, ...]] = {
    "server_url": (
        *("http://vpn.example.com", "https://vpn.example.com:8443", "HTTPS://vpn.example.com", "vpn.example.com", ""),
        *(
            "ftp://vpn.example.com",
            "https://",
            "https://vpn.example.com:abc",
            "https://vpn.example.com/%zz",
            "https://[::1]",
        ),
        *(
            "https://vpn.example.com:99999",
            "https://u:p@vpn.example.com",
            "https://vpn.example.com/x",
            " https://a.example.com",
            "https://vpn.example.com?x=1",
            "https://vpn.example.com/#y",
            "https://vpn.example.com:0",
        ),
    ),
    "listen_addr": (
        "0.0.0.0:8080",
        ":8080",
        "[::]:8080",
        "127.0.0.1:8080",
        "localhost:8080",
        "0.0.0.0:8081",
        "0.0.0.0",
        "0.0.0.0:abc",
        "",
    ),
    "metrics_listen_addr": ("0.0.0.0:9090", "", None, "x"),
    "grpc_listen_addr": ("127.0.0.1:50443", "", "x"),
    "grpc_allow_insecure": _FLAGS,
    "disable_check_updates": _FLAGS,
    "ephemeral_node_inactivity_timeout": _DURATIONS,
    "randomize_client_port": _FLAGS,
    "unix_socket": ("/var/run/headscale/headscale.sock",),
    "unix_socket_permission": ("0770", "770", 770, "0o770", "rwx", None),
    "acme_url": ("https://acme.example.com", "x", ""),
    "acme_email": ("a@example.com", ""),
    "tls_letsencrypt_hostname": ("vpn.example.com",),
    "tls_letsencrypt_challenge_type": ("HTTP-01", "TLS-ALPN-01", "http-01", "DNS-01", "", None),
    "tls_cert_path": ("/var/lib/headscale/cert",),
    "tls_key_path": ("/var/lib/headscale/key",),
    "log": (*({"level": level} for level in _LEVELS), *({"format": value} for value in ("text", "json", "xml", ""))),
    "policy": (
        *({"mode": mode} for mode in ("database", "file", "Database", "db", "", None)),
        *({"path": path} for path in ("", None)),
    ),
    "logtail": tuple({"enabled": flag} for flag in _FLAGS),
    "taildrop": tuple({"enabled": flag} for flag in _FLAGS),
    "auto_update": tuple({"enabled": flag} for flag in _FLAGS),
    "trusted_proxies": (
        [],
        ["10.0.0.0/8"],
        ["10.0.0.1"],
        ["0.0.0.0/0"],
        ["::/0"],
        ["x"],
        ["fd00::/8", "10.0.0.1/32"],
        *([text] for text in ("10.0.0.0/255.0.0.0", "10.0.0.0/08", "fd00::%eth0/8", "10.0.0.0/0", "fd00::/0", "0::/0")),
        None,
    ),
    "noise": ({"private_key_path": "/var/lib/headscale/noise"}, {"private_key_path": ""}, {}),
    "prefixes": (
        *(
            {"v4": value}
            for value in (
                *("100.64.0.0/10", "10.0.0.0/8", "100.64.0.1/10", "x", "fd7a::/48", None, "100.64.0.0/33"),
                *("100.64.0.0/255.192.0.0", "100.64.0.0/0.63.255.255", "100.64.0.0/010"),
            )
        ),
        *({"v6": value} for value in ("fd7a:115c:a1e0::/48", "fd7a:115c:a1e0:1::/64", "2001:db8::/32", "x", None)),
        *({"v6": value} for value in ("fd7a:115c:a1e0::/048", "fd7a::%eth0/48")),
        *({"allocation": value} for value in ("sequential", "random", "Random", "x", "", None)),
        {"v4": None, "v6": None},
    ),
    "node": (
        *({"expiry": value} for value in ("0", "180d", "1y", "x", "", 0, "1h", None)),
        *({"ephemeral": {"inactivity_timeout": value}} for value in _DURATIONS),
        *(
            {"routes": {"ha": {"probe_interval": interval, "probe_timeout": timeout}}}
            for interval, timeout in (
                ("10s", "5s"),
                ("0s", "5s"),
                ("1s", "1s"),
                ("2s", "1s"),
                ("5s", "5s"),
                ("10s", "0s"),
                ("x", "1s"),
            )
        ),
    ),
    "derp": (
        {"urls": []},
        {"urls": ["https://derp.example.com/map"]},
        {"urls": ["x"]},
        *({"urls": [f"https://{rest}"]} for rest in ("a|b", "a^b", "a%41b", "a/%zz", "a/%20b")),
        *(
            {"server": {"enabled": True, **more}}
            for more in ({}, {"region_id": 0}, {"stun_listen_addr": ""}, {"private_key_path": ""})
        ),
        *(
            {"server": {"enabled": True, "automatically_add_embedded_derp_region": False}, **more}
            for more in ({}, {"urls": []}, {"paths": ["/var/lib/headscale/derp.yaml"]})
        ),
        {"server": {"enabled": True, "stun_listen_addr": "0.0.0.0:3478"}},
        *({"update_frequency": value} for value in _DURATIONS),
        *({"auto_update_enabled": flag} for flag in _FLAGS),
    ),
    "dns": (
        _DNS | {"base_domain": "tail.example.org"},
        *(
            _DNS | {"base_domain": name}
            for name in ("", "example.com", "vpn.example.com", "com", "tail.example.org.", "Tail.example.org")
        ),
        _DNS | {"magic_dns": False, "base_domain": ""},
        {"override_local_dns": True},
        {"override_local_dns": True, "nameservers": {"global": []}},
        {"override_local_dns": False},
        *(
            {"nameservers": {"global": value}}
            for value in (["1.1.1.1"], ["https://dns.nextdns.io/abc"], ["x"], [], ["tls://1.1.1.1"], None)
        ),
        *(
            {"nameservers": {"split": value}}
            for value in ({}, {"a.example.com": ["1.1.1.1"]}, {"a.example.com": "1.1.1.1"}, {"a": []})
        ),
        *(
            {"extra_records": value}
            for value in ([], [{"name": "a.example.com", "type": "A", "value": "10.0.0.1"}], [{"name": "a"}], None)
        ),
        {"extra_records": [], "extra_records_path": "/var/lib/headscale/records.json"},
        {"extra_records_path": "/var/lib/headscale/records.json"},
        {"extra_records": [{"name": "a.example.com", "type": "CNAME", "value": "b.example.com"}]},
        *({"search_domains": value} for value in ([], ["a.example.com"], None)),
        {"use_username_in_magic_dns": False},
    ),
    "database": (
        *({"type": value} for value in ("sqlite", "sqlite3", "postgres", "mysql", "", "SQLite", None)),
        {"type": "postgres", "postgres": _POSTGRES},
        *(
            {"type": "postgres", "postgres": {**_POSTGRES, "ssl": ssl}}
            for ssl in (True, False, "require", "x", "verify-full")
        ),
        *({"sqlite": {"wal_autocheckpoint": value}} for value in (-2, -1, 0, 1000, "x")),
        *({"sqlite": {"path": value}} for value in ("/var/lib/headscale/db.sqlite", "")),
        *({"gorm": {"slow_threshold": value}} for value in (1000, 0, "1s", -1)),
    ),
    "oidc": (
        _OIDC,
        *({**_OIDC, "expiry": value} for value in ("180d", "0", "x", "30m", "")),
        *({**_OIDC, "pkce": {"enabled": True, "method": value}} for value in ("S256", "plain", "x")),
        {**_OIDC, "issuer": ""},
        {**_OIDC, "scope": []},
        {**_OIDC, "strip_email_domain": True},
        {**_OIDC, "map_legacy_users": True},
        {**_OIDC, "client_secret_path": "/var/lib/headscale/secret"},
    ),
    "tuning": (
        *({"node_store_batch_size": value} for value in (100, 0, -1, "x")),
        *({"node_store_batch_timeout": value} for value in ("500ms", "0s", "x")),
        *({"register_cache_max_entries": value} for value in (1024, 0, -1)),
        *({"register_cache_expiration": value} for value in ("15m", "0s")),
        *({"batcher_workers": value} for value in (1, 0, -1)),
    ),
    "acl_policy_path": ("/x", ""),
    "dns_config": ({"magic_dns": True}, {"base_domain": "x.example.org"}),
    "unknown": (1, None),
}
"""Values of each key of the top, beside a right `server_url`."""
_PAIRS: tuple[dict[str, Any], ...] = (
    *(
        {"server_url": f"https://{rest}", "dns": _DNS | {"base_domain": "tail.example.org"}}
        for rest in ("a\\b", "a^b", "a|b", "{a}", "a%41b", "[v1.x]", "a/\x7f", "a/%zz", "[fe80::1%25eth0]", "a/%20b")
    ),
    {"server_url": "https://vpn.example.com", "dns": _DNS | {"base_domain": "vpn.example.com"}},
    {"server_url": "https://a.vpn.example.com", "dns": _DNS | {"base_domain": "vpn.example.com"}},
    {"server_url": "https://a.vpn.example.com:443", "dns": _DNS | {"base_domain": "vpn.example.com"}},
    {"server_url": "https://vpn.example.com", "dns": _DNS | {"base_domain": "a.vpn.example.com"}},
    {
        "tls_letsencrypt_hostname": "vpn.example.com",
        "tls_cert_path": "/var/lib/headscale/c",
        "tls_key_path": "/var/lib/headscale/k",
    },
    {"tls_letsencrypt_hostname": "vpn.example.com", "tls_letsencrypt_challenge_type": "TLS-ALPN-01"},
    {"tls_cert_path": "/var/lib/headscale/c", "tls_key_path": "/var/lib/headscale/k"},
    {
        "derp": {"server": {"enabled": True, "private_key_path": "/var/lib/headscale/k"}},
        "noise": {"private_key_path": "/var/lib/headscale/k"},
    },
)


def cases() -> Iterator[Case]:
    for version in VERSIONS:
        for file in _examples(version):
            text = json.dumps(yaml.safe_load(file.read_text()))
            yield Case("configs", f"{file.name} of {version}", text, kind="config", versions=(version,))
    for key, values in VALUES.items():
        for number, value in enumerate(values):
            yield _case(f"{key} {number}", {"server_url": _URL, key: value})
    for number, config in enumerate(_PAIRS):
        yield _case(f"pair {number}", {"server_url": _URL, **config})
    yield _case("nothing", {})


def _examples(version):
    folder = source(version)
    return [folder / "config-example.yaml", *sorted((folder / "hscontrol" / "types" / "testdata").glob("*.yaml"))]


def _case(name: str, config: dict[str, Any]) -> Case:
    return Case("configs", name, json.dumps(config), kind="config")
