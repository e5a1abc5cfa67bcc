"""The client of kr8s: logging in by any kind of kubeconfig, the credentials that it gets, and its end.

It is loaded with the first request, because most commands of Pulumi never make one.
"""

from __future__ import annotations

import ssl
import warnings
from typing import Any

from dynamic_providers.kubernetes.api_server import ApiServer, Credentials
from dynamic_providers.kubernetes.errors import credentials_unavailable
from dynamic_providers.kubernetes.kubeconfig import Access


async def log_in(document: Any, access: Access) -> Any:  # noqa: ANN401 - kr8s has no types
    """Return a client that the API server has accepted.

    Args:
        document: The kubeconfig, as kr8s takes it.
        access: The cluster, and the credentials for it.

    Raises:
        ClusterError: When there are no credentials: a certificate cannot be loaded, or a plugin fails.
        Exception: What kr8s and httpx raise; see `errors.explained`.
    """
    # kr8s warns about versions of Kubernetes that are newer than itself; what is used here is older than both. The
    # filter stays: `catch_warnings` of several threads undo each other
    # (https://docs.python.org/3/library/warnings.html#warnings.catch_warnings).
    warnings.filterwarnings("ignore", message="Kubernetes version .* is not supported", category=UserWarning)
    import kr8s.asyncio  # noqa: PLC0415 - 0.5 s, and most commands need none of it

    try:
        return await kr8s.asyncio.api(kubeconfig=document)
    except (OSError, ValueError) as error:
        # A certificate that is none, a plugin that is not there or prints something else.
        raise credentials_unavailable(access, error) from None
    except (LookupError, RuntimeError) as error:
        if access.plugin is None:
            raise
        raise credentials_unavailable(access, error) from None


async def api_server(api: Any) -> ApiServer:  # noqa: ANN401 - kr8s has no types
    """Return what sends requests with the credentials that a client has now."""
    auth = api.auth
    tls = await auth.ssl_context()
    credentials = Credentials(
        server=auth.server,
        tls=tls if isinstance(tls, ssl.SSLContext) else None,
        token=auth.token,
        server_name=auth.tls_server_name,
        proxy=auth.proxy,
    )
    return ApiServer(credentials)


async def renewed_api_server(api: Any) -> ApiServer:  # noqa: ANN401 - kr8s has no types
    """Return what sends requests with credentials that the API server accepts: kr8s renews them where it does not.

    Raises:
        Exception: What kr8s and httpx raise; see `errors.explained`.
    """
    await api.version()
    return await api_server(api)


async def close(api: Any) -> None:  # noqa: ANN401 - kr8s has no types
    """Close the connections of a client.

    kr8s 0.20 has no method for it (https://github.com/kr8s-org/kr8s/issues/43); call that once a release has one.
    """
    session = getattr(api, "_session", None)
    if session is not None:
        await session.aclose()
