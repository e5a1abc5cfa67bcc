"""What the failures of requests to Kubernetes mean, and what to look at; no request is made here."""

from __future__ import annotations

import re
import ssl

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes.kubeconfig import Access

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
_LONGEST_MESSAGE = 500

_CREDENTIALS = re.compile(r"(?P<scheme>Bearer ).+|(?P<before>^|[\s/'\"(])[^\s/@'\"(:]+:[^\s/@'\"]+@")
"""A bearer token in a header, and user and password in an address."""

_ADVICE = (
    ("exceeded quota", "the namespace's quota is full: raise it, or delete something; see `kubectl describe quota`"),
    (
        "admission webhook",
        "a webhook of this cluster refuses it: ask who runs it, or see `kubectl get validatingwebhookconfigurations`",
    ),
    (
        "pods/portforward",
        "who runs Pulumi needs `get` and `create` on it: `kubectl auth can-i create pods --subresource=portforward`",
    ),
    (
        "is forbidden: User",
        "who runs Pulumi lacks this right; see `kubectl auth whoami` and `kubectl auth can-i --list`",
    ),
)


def _without_credentials(error: Exception) -> str:
    """Return the message of an error in one line, without credentials: httpx shows the header that it cannot send."""
    text = " ".join(str(error).split())
    return _CREDENTIALS.sub(lambda found: f"{found['scheme'] or found['before']}(credentials)", text)[:_LONGEST_MESSAGE]


def with_advice(message: str) -> str:
    """Return the message of the API server, in one line, with what to do about it where that is known."""
    text = " ".join(message.split())[:_LONGEST_MESSAGE]
    advice = next((advice for words, advice in _ADVICE if words in text), None)
    return f"{text}; {advice}" if advice else text


def credentials_refused(access: Access, message: str) -> ClusterError:
    """Return the error of credentials that are wrong or have expired."""
    return ClusterError(
        f"the cluster refuses the credentials of {access.source} (401, {with_advice(message)}): they are wrong or have "
        "expired; log in again, and try `kubectl auth whoami`",
        UNAUTHORIZED,
    )


def credentials_unavailable(access: Access, error: Exception) -> ClusterError:
    """Return the error of credentials that cannot be had: a plugin fails, or a certificate cannot be loaded."""
    text = _without_credentials(error)
    whose = f"the command `{access.plugin}`, which {access.source} names," if access.plugin else access.source
    return ClusterError(
        f"{whose} gives no credentials ({type(error).__name__}: {text}); log in again, and try `kubectl auth whoami`"
    )


def unreachable(access: Access, error: Exception) -> ClusterUnreachable:
    """Return the error of a cluster that does not answer."""
    text = _without_credentials(error) or "no answer in time"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        text = f"its certificate is not one that the kubeconfig trusts: is it another cluster? {text}"
    where = f" at {access.server}" if access.server else ""
    return ClusterUnreachable(
        f"the Kubernetes cluster is unreachable{where} ({type(error).__name__}: {text}); look at {access.source}, and "
        "try `kubectl get --raw /readyz`"
    )


def explained(error: Exception, access: Access) -> ClusterError | None:
    """Return our error for an exception of kr8s, httpx, httpx-ws, anyio, urllib3 or the standard library.

    Args:
        error: What was raised.
        access: The cluster, and the credentials for it.

    Returns:
        The error to raise instead; None where the exception is not one of a request, and so a bug.
    """
    if isinstance(error, ExceptionGroup):
        # anyio raises the errors of concurrent tasks together (https://anyio.readthedocs.io/en/stable/tasks.html).
        return next(filter(None, (explained(inner, access) for inner in error.exceptions)), None)
    if isinstance(error, ClusterError):
        return error
    return _refused(error, access) or _broken(error) or _unanswered(error, access)


def _refused(error: Exception, access: Access) -> ClusterError | None:
    """Return the error of a rejected request."""
    import httpx_ws  # noqa: PLC0415 - loaded with the first request, and not before
    import kr8s  # noqa: PLC0415

    if isinstance(error, kr8s.ServerError):
        status = error.response.status_code if error.response is not None else None
        return _answered(access, status, str(error))
    if isinstance(error, kr8s.NotFoundError):
        return _answered(access, NOT_FOUND, str(error))
    if isinstance(error, httpx_ws.WebSocketUpgradeError):
        status = error.response.status_code
        return _answered(access, status, f"no connection to the pod: HTTP status {status}")
    return None


def _broken(error: Exception) -> ClusterError | None:
    """Return the error of a connection to a pod that broke."""
    import anyio  # noqa: PLC0415 - as above
    import httpx_ws  # noqa: PLC0415
    import kr8s  # noqa: PLC0415

    kinds = (
        httpx_ws.HTTPXWSException,
        kr8s.ConnectionClosedError,
        kr8s.ExecError,
        anyio.BrokenResourceError,
        anyio.ClosedResourceError,
        anyio.EndOfStream,
    )
    if isinstance(error, kinds):
        return ClusterError(f"the connection to the pod broke ({type(error).__name__}: {error})")
    return None


def _unanswered(error: Exception, access: Access) -> ClusterError | None:
    """Return the error of a request that got no answer."""
    import httpx  # noqa: PLC0415 - as above
    import kr8s  # noqa: PLC0415
    import urllib3  # noqa: PLC0415

    kinds = (
        urllib3.exceptions.HTTPError,
        httpx.HTTPError,
        httpx.InvalidURL,
        kr8s.APITimeoutError,
        TimeoutError,
        ConnectionError,
        ssl.SSLError,
    )
    return unreachable(access, error) if isinstance(error, kinds) else None


def _answered(access: Access, status: int | None, message: str) -> ClusterError:
    if status == UNAUTHORIZED:
        return credentials_refused(access, message)
    return ClusterError(f"the cluster of {access.source} answers: {with_advice(message)}", status)
