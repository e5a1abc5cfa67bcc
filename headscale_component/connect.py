"""The connection of an instance: by which cluster, port-forward or address its providers reach it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

import pulumi

from dynamic_providers.connection import ConnectionArgs
from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config.addresses import port_of


def connection_args(
    instance: str, spec: HeadscaleArgs, server_url: pulumi.Output[str], kubernetes: pulumi.ProviderResource | None
) -> ConnectionArgs:
    """Return how an instance is reached: in the cluster where its objects are.

    Args:
        instance: The instance's name in the cluster.
        spec: The instance; what its `connection` says comes first.
        server_url: The address that clients use.
        kubernetes: The Kubernetes provider that the component was given; None for the default one, which follows the
            `kubernetes:` settings of the stack.
    """
    connection, cluster = spec.connection, pulumi.Config("kubernetes")
    return ConnectionArgs(
        instance=instance,
        namespace=spec.namespace,
        channel=spec.channel,
        kubeconfig=connection.kubeconfig or _given(kubernetes, "kubeconfig") or cluster.get_secret("kubeconfig"),
        context=connection.context or _given_or_none(kubernetes, "context") or cluster.get("context"),
        cluster=_given_or_none(kubernetes, "cluster") or cluster.get("cluster"),
        relay_port=names.RELAY_PORT,
        address=connection.address,
        api_key=connection.api_key,
        api_key_secret=connection.api_key_secret,
        transport=spec.transport,
        http_port=port_of(spec.config.listen_addr),
        server_name=server_url.apply(lambda url: urlsplit(url).hostname or "")
        if spec.channel == "pod" and spec.config.serves_tls
        else None,
        keys_on_user_deletion=spec.stored_keys_on_user_deletion,
        tls=spec.channel == "direct" or spec.config.serves_tls,
    )


def _given(provider: pulumi.ProviderResource | None, name: str) -> pulumi.Input[str] | None:
    """Return what a Kubernetes provider was given; one that is only known by reference has nothing."""
    value: pulumi.Input[str] | None = getattr(provider, name, None)
    return value


def _given_or_none(provider: pulumi.ProviderResource | None, name: str) -> pulumi.Input[str] | None:
    """Return what a Kubernetes provider was given, None in a preview where it is not known.

    The SDK says that what a resource was not given is unknown in a preview, and every preview would show a change.
    """
    value = _given(provider, name)
    if not isinstance(value, pulumi.Output):
        return value
    known: Awaitable[Any] = value.future()
    return pulumi.Output.from_input(known)
