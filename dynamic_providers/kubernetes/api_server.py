"""Requests to a Kubernetes API server, from many threads, with the credentials that kr8s has.

kr8s sends its requests by httpx on an event loop, which takes several milliseconds of a processor for each: with a
thousand Secrets that is what one waits for. urllib3 takes a fraction of one.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login led to.

    Attributes:
        server: Address of the API server.
        tls: What TLS trusts and shows; None for the system's trust and no certificate.
        token: The bearer token; None for none.
        server_name: The name to ask for in TLS; None for that of the address.
        proxy: Address of a proxy, None for that of the environment, if any.
    """

    server: str
    tls: ssl.SSLContext | None = None
    token: str | None = None
    server_name: str | None = None
    proxy: str | None = None


class ApiServer:
    """One API server; safe to share between threads.

    Args:
        credentials: What a login led to.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._server = credentials.server.rstrip("/")
        token = {"Authorization": f"Bearer {credentials.token}"} if credentials.token else {}
        options: dict[str, Any] = {
            "headers": {"Accept": "application/json", "User-Agent": "headscale-component", **token},
            "maxsize": _CONNECTIONS,
            "ssl_context": credentials.tls,
            "retries": False,
        }
        if credentials.server_name:
            options |= {"server_hostname": credentials.server_name, "assert_hostname": credentials.server_name}
        proxy = credentials.proxy or _proxy_of_environment(self._server)
        self._pool = _through(proxy, options) if proxy else urllib3.PoolManager(**options)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str],
        content_type: str,
        timeout_seconds: float,
    ) -> tuple[int, dict[str, Any]]:
        """Send a request and return status and body of the answer; what is no object is returned as its `message`.

        Raises:
            urllib3.exceptions.HTTPError: When there is no answer.
        """
        headers = {**self._pool.headers, "Content-Type": content_type} if body is not None else None
        response = self._pool.request(
            method,
            f"{self._server}{path}{f'?{urlencode(params)}' if params else ''}",
            body=json.dumps(body).encode() if body is not None else None,
            headers=headers,
            timeout=timeout_seconds,
            redirect=False,
        )
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"message": response.data.decode(errors="replace")[:300]}
        return response.status, answer

    def close(self) -> None:
        """Close the connections that are idle."""
        self._pool.clear()


def _through(proxy: str, options: Mapping[str, Any]) -> urllib3.ProxyManager:
    """Return connections through a proxy, whose address may hold a user and a password."""
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=login), **options)


def _proxy_of_environment(server: str) -> str | None:
    """Return the proxy that `HTTPS_PROXY` and its like name for an address, None for none."""
    parts = urlsplit(server)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
