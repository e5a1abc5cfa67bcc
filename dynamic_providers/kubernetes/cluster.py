"""The door to the Kubernetes API: requests, port-forwards and commands in a pod, for threads.

kr8s does the work, on an event loop of its own in one thread. It is loaded with the first request, because most
commands of Pulumi never make one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
import warnings
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes import kubeconfig as kubeconfigs
from dynamic_providers.kubernetes.answer import Answer
from dynamic_providers.kubernetes.api_server import ApiServer, Credentials
from dynamic_providers.kubernetes.credential_files import CredentialFiles
from dynamic_providers.kubernetes.errors import (
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHORIZED,
    credentials_refused,
    credentials_unavailable,
    explained,
)
from dynamic_providers.kubernetes.event_loop import EventLoopThread

__all__ = ["Answer", "Cluster", "ClusterError", "ClusterUnreachable"]

Result = TypeVar("Result")

_SECONDS = 30.0
_LOG_IN_SECONDS = 15.0
_LOG_IN_PAUSES_SECONDS = (0.5, 1.5)
_FAILED_FOR_SECONDS = 30.0
_CLOSED_IN_SECONDS = 5.0


class Cluster:
    """One Kubernetes cluster, as a kubeconfig names it; safe to share between threads.

    After one failed log-in, later requests fail fast for a while: a thousand resources do not wait a thousand times.

    Args:
        kubeconfig: Its text or path; None for `KUBECONFIG`, `~/.kube/config`, or the pod's own account.
        context: The context in it; None for the current one.
        cluster: The cluster in it, in place of the context's.
        log_in_seconds: How long the API server may take to accept us.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        cluster: str | None = None,
        *,
        log_in_seconds: float = _LOG_IN_SECONDS,
    ) -> None:
        self._kubeconfig, self._context, self._cluster = kubeconfig, context, cluster
        self._log_in_seconds = log_in_seconds
        self._lock = threading.Lock()
        self._event_loop = EventLoopThread("kubernetes")
        self._api: Any = None
        self._has_answered = False
        self._requests: ApiServer
        self._files = CredentialFiles()
        self._access = kubeconfigs.Access(None, "KUBECONFIG")
        self._failure: tuple[float, ClusterUnreachable] | None = None

    @property
    def has_answered(self) -> bool:
        """Whether the API server has answered this process before."""
        return self._has_answered

    @property
    def name(self) -> str:
        """Which cluster it is, in words."""
        return f"{self._access.source}{f' ({self._access.server})' if self._access.server else ''}"

    def server(self) -> str | None:
        """Return the address of the API server, None where the kubeconfig does not say; no request is made."""
        return kubeconfigs.server(kubeconfigs.load(self._kubeconfig), self._context, self._cluster)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = _SECONDS,
    ) -> Answer:
        """Send a request and return whatever the API server says to it.

        Args:
            method: HTTP method.
            path: Path from the root, as `/api/v1/namespaces/default`.
            body: The object to send.
            params: Query parameters.
            content_type: Of the body; patches have their own.
            timeout_seconds: For the whole request.

        Raises:
            ClusterUnreachable: When no API server answers.
            ClusterError: When it refuses the credentials.
        """
        self._connect()

        def send() -> Answer:
            try:
                return Answer(
                    *self._requests.send(
                        method,
                        path,
                        body=body,
                        params=params or {},
                        content_type=content_type,
                        timeout_seconds=timeout_seconds,
                    )
                )
            except Exception as error:
                if meaning := explained(error, self._access):
                    raise meaning from None
                raise

        answer = send()
        if answer.status == UNAUTHORIZED:
            # A token may have expired; kr8s gets a new one, and raises where that is refused too.
            with self._lock, self._files.written(self._access.document):
                self._requests = self._on_loop(self._renewed())
            answer = send()
        if answer.status == UNAUTHORIZED:
            raise credentials_refused(self._access, answer.message)
        return answer

    @contextlib.contextmanager
    def port_forward(self, pod: str, namespace: str, port: int) -> Iterator[int]:
        """Open a local port that leads to a port in a pod, and yield its number.

        Raises:
            ClusterError: When it may not be opened, or the pod is not there.
        """
        # Asked without the upgrade that makes a connection of it: kr8s, refused, would ask again for ever.
        asked = self.request(
            "GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward", params={"ports": f"{port}"}
        )
        if asked.status in {FORBIDDEN, NOT_FOUND}:
            raise asked.error(f"no port of pod {namespace}/{pod} can be forwarded")
        forward, local_port = self._run(self._forward(pod, namespace, port))
        try:
            yield local_port
        finally:
            with contextlib.suppress(Exception):
                self._run(_closed(forward), seconds=_CLOSED_IN_SECONDS)

    def execute(self, pod: str, namespace: str, container: str, command: list[str]) -> str:
        """Run a command in a container and return what it prints.

        Raises:
            ClusterError: When it cannot be run or fails.
        """
        return self._run(self._execute(pod, namespace, container, command))

    def close(self) -> None:
        """Close the connections and end the thread; the next request connects again.

        It is for the owner, after the last request: what is under way in other threads fails with a ClusterError.
        """
        with self._lock:
            if self._api is not None:
                self._requests.close()
                with contextlib.suppress(Exception):
                    self._event_loop.run(_closed_session(self._api), _CLOSED_IN_SECONDS)
                self._api = None
            self._event_loop.close()

    async def _renewed(self) -> ApiServer:
        await self._api.version()
        return await self._opened()

    async def _opened(self) -> ApiServer:
        """Return what sends requests with the credentials that kr8s has now."""
        auth = self._api.auth
        tls = await auth.ssl_context()
        credentials = Credentials(
            server=auth.server,
            tls=tls if isinstance(tls, ssl.SSLContext) else None,
            token=auth.token,
            server_name=auth.tls_server_name,
            proxy=auth.proxy,
        )
        return ApiServer(credentials)

    async def _forward(self, pod: str, namespace: str, port: int) -> tuple[Any, int]:
        from kr8s.asyncio.objects import Pod  # noqa: PLC0415 - loaded when it is needed

        from dynamic_providers.kubernetes import port_forward  # noqa: PLC0415 - loaded when it is needed

        found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=self._api)
        return await port_forward.opened(found, port)

    async def _execute(self, pod: str, namespace: str, container: str, command: list[str]) -> str:
        from kr8s.asyncio.objects import Pod  # noqa: PLC0415 - loaded when it is needed

        found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=self._api)
        async with asyncio.timeout(_SECONDS):
            done = await found.exec(command, container=container, check=False, capture_output=True)
        if done.returncode:
            words = " ".join(command[:3])
            raise ClusterError(f"`{words}` failed in pod {namespace}/{pod}: {bytes(done.stderr).decode()[:300]}")
        return bytes(done.stdout).decode()

    def _run(self, work: Coroutine[Any, Any, Result], *, seconds: float | None = None) -> Result:
        """Do something on the event loop, once the cluster has accepted us."""
        try:
            self._connect()
        except BaseException:
            work.close()
            raise
        return self._on_loop(work, seconds)

    def _connect(self) -> None:
        with self._lock:
            if self._api is not None:
                return
            if self._failure and time.monotonic() < self._failure[0]:
                raise ClusterUnreachable(str(self._failure[1]))
            self._access = kubeconfigs.access(self._kubeconfig, self._context, self._cluster)
            try:
                with self._files.written(self._access.document) as document:
                    self._api = self._accepted(document)
                    self._has_answered = True
                    self._requests = self._on_loop(self._opened())
            except ClusterUnreachable as error:
                self._failure = time.monotonic() + _FAILED_FOR_SECONDS, error
                raise

    def _accepted(self, document: Any) -> Any:  # noqa: ANN401 - kr8s has no types
        """Log in, again after a moment where nobody answers: that may be an outage of seconds."""
        deadline = time.monotonic() + self._log_in_seconds
        for pause in _LOG_IN_PAUSES_SECONDS:
            try:
                return self._on_loop(self._log_in(document), max(deadline - time.monotonic(), 1.0))
            except ClusterUnreachable as error:
                if time.monotonic() >= deadline and self._access.plugin:
                    raise credentials_unavailable(self._access, error) from None
                if time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
        return self._on_loop(self._log_in(document), max(deadline - time.monotonic(), 1.0))

    def _on_loop(self, work: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result:
        try:
            return self._event_loop.run(work, seconds)
        except CancelledError:
            raise ClusterError("the connection to the cluster was closed while it was in use") from None
        except Exception as error:
            if meaning := explained(error, self._access):
                raise meaning from None
            raise

    async def _log_in(self, document: Any) -> Any:  # noqa: ANN401 - kr8s has no types
        # kr8s warns about versions of Kubernetes that are newer than itself; what is used here is older than both. The
        # filter stays: `catch_warnings` of several threads undo each other
        # (https://docs.python.org/3/library/warnings.html#warnings.catch_warnings).
        warnings.filterwarnings("ignore", message="Kubernetes version .* is not supported", category=UserWarning)
        import kr8s.asyncio  # noqa: PLC0415 - 0.5 s, and most commands need none of it

        try:
            return await kr8s.asyncio.api(kubeconfig=document)
        except (OSError, ValueError) as error:
            # A certificate that is none, a plugin that is not there or prints something else.
            raise credentials_unavailable(self._access, error) from None
        except (LookupError, RuntimeError) as error:
            if self._access.plugin is None:
                raise
            raise credentials_unavailable(self._access, error) from None


async def _closed_session(api: Any) -> None:  # noqa: ANN401 - kr8s has no types
    # kr8s 0.20 has no way to close its client.
    session = getattr(api, "_session", None)
    if session is not None:
        await session.aclose()


async def _closed(forward: Any) -> None:  # noqa: ANN401 - kr8s has no types
    forward.cancel()
    await forward.__aexit__(None, None, None)
