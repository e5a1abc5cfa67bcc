"""`dns`: what Headscale tells nodes about names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headscale_component.spec.config.types import (
    ConfigSection,
    Domain,
    DomainOrEmpty,
    FilePath,
    Flag,
    LowerCaseDomain,
    Nameserver,
    Text,
    UpstreamDefault,
)


class NameserversConfig(ConfigSection):
    """`dns.nameservers`: the DNS servers that nodes ask."""

    global_: Annotated[tuple[Nameserver, ...], Field(alias="global")] = ()
    """For everything, where `override_local_dns` is on; else as a supplement."""

    split: dict[LowerCaseDomain, tuple[Nameserver, ...]] = Field(default_factory=dict)
    """For some domains. Headscale reads the names in lower case."""


class ExtraRecord(ConfigSection):
    """A name of one's own; Headscale serves addresses only, and silently accepts other types."""

    name: Domain
    """The fully qualified domain name that nodes may ask for, without a dot at the end, for example
    `grafana.tailnet.example.com`. It need not be below `base_domain`."""

    type: Literal["A", "AAAA"]
    """Type of the DNS record: `A` for an IPv4 address, `AAAA` for an IPv6 address. Tailscale's clients know no other
    (https://headscale.net/stable/ref/dns/)."""

    value: Text
    """The IP address that nodes get for `name`: IPv4 with `type: A`, IPv6 with `type: AAAA`. It may be an address of
    the tailnet, as `100.64.0.3`, or any other."""


class DnsConfig(ConfigSection):
    """`dns`: MagicDNS, nameservers and names of one's own."""

    magic_dns: Annotated[Flag | None, UpstreamDefault("true, which needs a base_domain")] = None
    """Whether nodes find each other by name; needs `base_domain`. Default: on if `base_domain` is given."""

    base_domain: DomainOrEmpty | None = None
    """The domain of the nodes' names; must not hold the host of `server_url`."""

    override_local_dns: Annotated[Flag | None, UpstreamDefault("true, which needs nameservers")] = None
    """Whether nodes use `nameservers.global` for everything. Default: on if there are any."""

    nameservers: NameserversConfig = NameserversConfig()
    """Which DNS servers nodes ask: `global` for every name, `split` for the names below some domains. Nodes apply them
    unless they run with `--accept-dns=false`."""

    search_domains: tuple[Domain, ...] = ()
    """Domains that nodes try for short names, after `base_domain`."""

    extra_records: tuple[ExtraRecord, ...] | None = None
    """Names of one's own. Not together with `extra_records_path`."""

    extra_records_path: FilePath | None = None
    """A JSON file with such records, which Headscale watches; it has to be there."""
