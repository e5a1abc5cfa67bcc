"""Notes on a configuration that is legal and probably not meant."""

import pytest

from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config_notes import config_notes

ACME = {"tls_letsencrypt_hostname": "vpn.example.com"}


def notes(config):
    document = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com", **config}}
    return [str(note) for note in config_notes(HeadscaleArgs.model_validate(document))]


def relay(**keys):
    return {"derp": {"server": {"enabled": True, **keys}}}


PROBABLY_NOT_MEANT = {
    "server URL of Headscale's example": ({"server_url": "http://127.0.0.1:8080"}, "each client's own machine"),
    "server URL of IPv6": ({"server_url": "http://[::1]:8080"}, "each client's own machine"),
    "metrics on the loopback": ({"metrics_listen_addr": "127.0.0.1:9090"}, "write `0.0.0.0:9090`"),
    "ACME on port 80": ({**ACME, "tls_letsencrypt_listen": ":http"}, "config.tls_letsencrypt_listen: port 80 is below"),
    "HTTPS on its own port": ({"listen_addr": ":443"}, "config.listen_addr: port 443 is below 1024"),
    "IPv4 of an example": (relay(ipv4="198.51.100.1"), "config.derp.server.ipv4: `198.51.100.1` is an example's"),
    "IPv4 of the old example": (relay(ipv4="1.2.3.4"), "`1.2.3.4` is an example's"),
    "IPv6 of an example": (relay(ipv6="2001:db8::1"), "`2001:db8::1` is an example's"),
}


@pytest.mark.parametrize(("config", "words"), PROBABLY_NOT_MEANT.values(), ids=PROBABLY_NOT_MEANT)
def test_setting_probably_not_meant_has_note(config, words):
    (note,) = notes(config)

    assert words in note


MEANT = {
    "defaults": {},
    "metrics switched off": {"metrics_listen_addr": None},
    "ACME that is not used": {"tls_letsencrypt_listen": ":http"},
    "relay that is not used": {"derp": {"server": {"ipv4": "198.51.100.1"}}},
    "relay of somebody": relay(ipv4="9.9.9.9", ipv6="2606:4700:4700::1111"),
}


@pytest.mark.parametrize("config", MEANT.values(), ids=MEANT)
def test_setting_that_is_meant_has_none(config):
    assert notes(config) == []
