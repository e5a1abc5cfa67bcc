"""Rules of the admin channel: which of its settings go together, and with which version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headscale_component.spec.config.addresses import http_url
from headscale_component.spec.credentials import without_credentials
from headscale_component.spec.errors import Problem
from headscale_component.spec.model import is_output
from headscale_component.spec.valid_part import rule
from headscale_core.values.versions import NEWEST_HEADSCALE, REST

if TYPE_CHECKING:
    from headscale_component.spec.instance import HeadscaleArgs

_GRPC_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_REST_ADDRESS = re.compile(r"https://[^\s/?#@]+/?")
_LAST_PORT = 65535


@rule
def check_transport(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a transport that the channel finds out by itself, or that the version does not have."""
    transport, minor = instance.connection.transport, instance.minor_version
    path = ("connection", "transport")
    if transport is None or minor is None:
        return
    if instance.channel != "pod":
        yield Problem(path, f"is for `channel: pod`; with `{instance.channel}` it is found out, leave it out")
    elif transport == "grpc" and minor > NEWEST_HEADSCALE:
        yield Problem(path, "Headscale 0.30 and newer have no gRPC; leave it out")
    elif transport == "rest" and not REST.is_in(minor):
        yield Problem(path, "REST is spoken with Headscale 0.28 and newer; leave it out")


def check_channel(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find a channel without what it needs, or with what is for another one."""
    yield from _check_address_is_used(instance)
    yield from _check_direct_has_key(instance)
    yield from _check_relay_runs(instance)


@rule
def _check_address_is_used(instance: HeadscaleArgs) -> Iterator[Problem]:
    is_direct, address = instance.connection.channel == "direct", instance.connection.address
    if not is_direct and address is not None:
        yield Problem(("connection", "address"), "is for `channel: direct`; write that too, or leave it out")
    if is_direct and address is None:
        yield Problem(
            ("connection", "address"),
            "is required with `channel: direct`, as `vpn.example.com:50443` or `https://vpn.example.com`",
        )


@rule
def _check_direct_has_key(instance: HeadscaleArgs) -> Iterator[Problem]:
    connection = instance.connection
    if connection.channel == "direct" and connection.api_key is None and connection.api_key_secret is None:
        yield Problem(("connection",), "`channel: direct` needs `apiKeySecret` or `apiKey`")


@rule
def _check_relay_runs(instance: HeadscaleArgs) -> Iterator[Problem]:
    if instance.connection.channel == "relay" and not instance.api_key.auto_manage:
        yield Problem(
            ("connection", "channel"), "`relay` is the sidecar's; with `apiKey.autoManage: false` write `pod`"
        )


@rule
def check_direct_address(instance: HeadscaleArgs) -> Iterator[Problem]:
    """Find an address that is none, or of a transport that the version does not have."""
    address, minor = instance.connection.address, instance.minor_version
    path = ("connection", "address")
    if address is None or is_output(address):
        return
    if _is_rest(address):
        if minor is not None and not REST.is_in(minor):
            yield Problem(path, "REST is spoken with Headscale 0.28 and newer; write `host:port` of its gRPC listener")
    elif _is_grpc(address):
        if minor is not None and minor > NEWEST_HEADSCALE:
            yield Problem(path, "Headscale 0.30 and newer have no gRPC; write `https://` and the host")
    else:
        yield Problem(
            path,
            f"`{without_credentials(address)}` is no address: write `host:port` for gRPC, or `https://host` for "
            "REST; no key goes in clear",
        )


def _is_rest(address: str) -> bool:
    try:
        return bool(_REST_ADDRESS.fullmatch(http_url(address)))
    except ValueError:
        return False


def _is_grpc(address: str) -> bool:
    match = _GRPC_ADDRESS.fullmatch(address)
    return match is not None and 1 <= int(match[2]) <= _LAST_PORT
