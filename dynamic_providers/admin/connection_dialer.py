"""How a client of a Headscale is opened: through the relay in its pod, to a port of its pod, or directly."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from dynamic_providers.errors import ChannelError, ClusterError, InstanceNotFound
from dynamic_providers.kubernetes.cluster import Cluster
from dynamic_providers.kubernetes.errors import NOT_FOUND
from dynamic_providers.settings import Settings
from headscale_core import HeadscaleClient, api_key_prefix
from headscale_core.rollout.pod_status import pod_problem

_TEMPORARY_KEY_LIFETIME = timedelta(minutes=15)


class ConnectionDialer:
    """How one Headscale is reached: by the relay in its pod, by a port of its pod, or directly.

    Args:
        settings: The connection's settings.
        cluster: The cluster in which its pod runs.
    """

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings, self._cluster = settings, cluster

    @contextlib.contextmanager
    def client(self) -> Iterator[HeadscaleClient]:
        """Open a client, and close all that was opened for it afterwards. Headscale's API was not called yet.

        Raises:
            InstanceNotFound: When there is no StatefulSet.
            InvalidConnection: When the address is no URL, or the certificate authority is not PEM.
            ChannelError: When there is no address, or the API key cannot be read or created.
            ClusterError: When Kubernetes refuses the port-forward, or does not answer.
        """
        settings = self._settings
        if settings.channel == "direct":
            if not settings.address:
                raise ChannelError(
                    "`direct` needs an `address`, as `vpn.example.com:50443` or `https://vpn.example.com`"
                )
            with self._remote(settings.address, self._stored_key()) as client:
                yield client
            return
        self.stateful_set()
        in_pod = settings.http_port if settings.transport == "rest" else settings.grpc_port
        port = settings.relay_port if settings.channel == "relay" else in_pod
        with contextlib.ExitStack() as stack:
            local = stack.enter_context(self._cluster.port_forward(settings.pod, settings.namespace, port))
            if settings.channel == "relay":
                yield stack.enter_context(HeadscaleClient.over_relay("127.0.0.1", local))
                return
            scheme = f"{'https' if settings.tls else 'http'}://" if settings.transport == "rest" else ""
            key = (
                stack.enter_context(self._temporary_api_key())
                if settings.uses_temporary_api_key
                else self._stored_key()
            )
            yield stack.enter_context(self._remote(f"{scheme}127.0.0.1:{local}", key))

    def report(self) -> str:
        """Return what may keep Headscale from answering, in a sentence that names the command to run next.

        It raises nothing: that the pod cannot be read is part of the sentence.
        """
        settings = self._settings
        if settings.channel == "direct":
            return "look at the address, the proxy before it and Headscale's log"
        try:
            pod = self.pod()
        except ClusterError as error:
            return str(error)
        where = f"pod {settings.namespace}/{settings.pod}"
        if pod is None:
            return f"{where} does not exist: is the StatefulSet scaled to 0? see `kubectl describe statefulset`"
        look = f"see `kubectl describe pod {settings.pod} -n {settings.namespace}`"
        return pod_problem(pod) or f"{where} is ready; {look}"

    def _remote(self, address: str, key: str) -> HeadscaleClient:
        settings = self._settings
        authority = settings.ca_certificate.encode() if settings.ca_certificate else None
        name = settings.server_name if settings.channel == "pod" and settings.tls else None
        if address.startswith(("https://", "http://")):
            return HeadscaleClient.over_http(address, api_key=key, ca_certificate=authority, server_name=name)
        return HeadscaleClient.over_tcp(
            address, api_key=key, tls=settings.tls, ca_certificate=authority, server_name=name
        )

    def _stored_key(self) -> str:
        """Return the API key of the settings, or read it from its Secret now."""
        if self._settings.api_key:
            return _checked_key(self._settings.api_key, "the connection")
        name, namespace = self._settings.api_key_secret, self._settings.namespace
        answer = self._cluster.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        value = (answer.body.get("data") or {}).get("api-key") if answer.ok else None
        if not value:
            why = answer.message if not answer.ok else "it has no `api-key`"
            raise ChannelError(f"the API key cannot be read from Secret {namespace}/{name}: {why}")
        return _checked_key(base64.b64decode(value).decode(errors="replace"), f"Secret {namespace}/{name}")

    @contextlib.contextmanager
    def _temporary_api_key(self) -> Iterator[str]:
        """Create a key by headscale's own command in the pod, and delete it afterwards."""
        lifetime = f"{int(_TEMPORARY_KEY_LIFETIME.total_seconds() // 60)}m"
        key = created_key(self._run_in_pod("apikeys", "create", "--expiration", lifetime, "--output", "json"))
        try:
            yield key
        finally:
            # One that cannot be deleted expires within a quarter of an hour.
            with contextlib.suppress(ClusterError):
                self._run_in_pod("apikeys", "delete", "--prefix", api_key_prefix(key), "--output", "json")

    def _run_in_pod(self, *arguments: str) -> str:
        settings = self._settings
        return self._cluster.execute(settings.pod, settings.namespace, "headscale", ["headscale", *arguments])

    def stateful_set(self) -> Mapping[str, Any]:
        """Return the StatefulSet: a port-forward to a pod that has none fails without a reason.

        Raises:
            InstanceNotFound: When it does not exist.
            ClusterError: When it cannot be read.
        """
        place = f"{self._settings.namespace}/{self._settings.instance}"
        found = self._get("apps/v1", "statefulsets", self._settings.instance)
        if found is None:
            raise InstanceNotFound(
                f"there is no StatefulSet {place} in {self._cluster.name}; was the instance deleted, or is this the "
                "wrong cluster?"
            )
        return found

    def pod(self) -> Mapping[str, Any] | None:
        """Return the pod, None where there is none.

        Raises:
            ClusterError: When it cannot be read.
        """
        return self._get("v1", "pods", self._settings.pod)

    def _get(self, version: str, kind: str, name: str) -> Mapping[str, Any] | None:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        answer = self._cluster.request("GET", f"{root}/namespaces/{self._settings.namespace}/{kind}/{name}")
        if answer.status == NOT_FOUND:
            return None
        if not answer.ok:
            raise answer.error(f"{kind} {self._settings.namespace}/{name} cannot be read")
        return answer.body


def created_key(output: str) -> str:
    """Return the key that `headscale apikeys create --output json` printed.

    Args:
        output: JSON: up to 0.29 the text of the key alone, from 0.30 an object that holds it.

    Raises:
        ChannelError: When it is something else; the message does not show it, for a key may be in it.
    """
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    key = next(iter(answer.values()), None) if isinstance(answer, dict) else answer
    if not isinstance(key, str) or not key:
        raise ChannelError(
            "`headscale apikeys create` printed no API key in the pod: does `image` hold Headscale's own command line?"
        )
    return key


def _checked_key(text: str, where: str) -> str:
    """Return a key without the line break that tools append, and refuse what cannot be one without showing it."""
    key = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]+", key):
        raise ChannelError(f"the API key in {where} holds characters that no key has; store it again as it was made")
    return key
