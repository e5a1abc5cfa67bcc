"""The door to the Kubernetes API: requests, port-forwards and commands in a pod, for threads.

kr8s does the work, on an event loop of its own in one thread. It is loaded with the first request, because most
commands of Pulumi never make one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import ssl
import tempfile
import threading
import time
import warnings
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes import kubeconfig as kubeconfigs
from dynamic_providers.kubernetes.api_server import ApiServer, Credentials
from dynamic_providers.kubernetes.errors import (
    FORBIDDEN,
    NOT_FOUND,
    UNAUTHORIZED,
    credentials_refused,
    credentials_unavailable,
    explained,
    with_advice,
)

__all__ = ["Answer", "Cluster", "ClusterError", "ClusterUnreachable"]

Result = TypeVar("Result")

_SECONDS = 30.0
_LOG_IN_SECONDS = 15.0
_LOG_IN_PAUSES_SECONDS = (0.5, 1.5)
_FAILED_FOR_SECONDS = 30.0
_CLOSED_IN_SECONDS = 5.0
_PORT_TRIES = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says.

    Attributes:
        status: HTTP status.
        body: The object, or a `Status` with the reason.
    """

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status < 400  # noqa: PLR2004 - HTTP

    @property
    def message(self) -> str:
        """The reason, where it was not, and what to do about it where that is known; one line."""
        return with_advice(str(self.body.get("message") or f"HTTP status {self.status}"))

    def error(self, problem: str) -> ClusterError:
        """Return the error of what was not done.

        Args:
            problem: What could not be done, as `Secret n/s cannot be read`.
        """
        return ClusterError(f"{problem}: {self.message}", self.status)


class Cluster:
    """One Kubernetes cluster, as a kubeconfig names it; safe to share between threads.

    Who asks soon after somebody asked in vain is told so at once: a thousand resources do not wait a thousand times.

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._api: Any = None
        self._requests: ApiServer
        self._document: Any = None
        self._folder: Path | None = None
        self._access = kubeconfigs.Access(None, "KUBECONFIG")
        self._failure: tuple[float, ClusterUnreachable] | None = None

    @property
    def has_answered(self) -> bool:
        """Whether the API server has answered this process before."""
        return self._api is not None

    @property
    def name(self) -> str:
        """Which cluster it is, in words."""
        return f"{self._access.source}{f' ({self._access.server})' if self._access.server else ''}"

    def server(self) -> str | None:
        """Return the address of the API server, None where it cannot be told; nothing is asked for that."""
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
            with self._lock, self._credential_files():
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

        from dynamic_providers.kubernetes.port_forward import BackoffPortForward  # noqa: PLC0415 - loaded when it is needed

        found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=self._api)
        for tries_left in reversed(range(_PORT_TRIES)):
            forward: Any = BackoffPortForward(found, port, local_port="auto")
            try:
                return forward, await forward.__aenter__()
            except OSError as error:
                # kr8s looks for a free port first and takes it later: somebody may have been faster.
                if error.errno != errno.EADDRINUSE or not tries_left:
                    raise ClusterError(f"no local port can be opened for the port-forward: {error}") from None
        raise AssertionError("the last try returns or raises")

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
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True, name="kubernetes").start()
            try:
                with self._credential_files():
                    self._api = self._accepted()
                    self._requests = self._on_loop(self._opened())
            except ClusterUnreachable as error:
                self._failure = time.monotonic() + _FAILED_FOR_SECONDS, error
                raise

    @contextlib.contextmanager
    def _credential_files(self) -> Iterator[None]:
        """Have certificates and keys in files while they are loaded, and no longer.

        kr8s writes those of a kubeconfig to files of its own otherwise, and leaves them.
        """
        self._document = self._access.document
        if self._access.document is None:
            yield
            return
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="headscale-"))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        try:
            self._document, files = kubeconfigs.with_files(self._access.document, self._folder)
            for path, content in files.items():
                path.touch(mode=0o600)
                path.write_bytes(content)
            yield
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _accepted(self) -> Any:  # noqa: ANN401 - kr8s has no types
        """Log in, again after a moment where nobody answers: that may be an outage of seconds."""
        deadline = time.monotonic() + self._log_in_seconds
        for pause in _LOG_IN_PAUSES_SECONDS:
            try:
                return self._on_loop(self._log_in(), max(deadline - time.monotonic(), 1.0))
            except ClusterUnreachable as error:
                if time.monotonic() >= deadline and self._access.plugin:
                    raise credentials_unavailable(self._access, error) from None
                if time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
        return self._on_loop(self._log_in(), max(deadline - time.monotonic(), 1.0))

    def _on_loop(self, work: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result:
        assert self._loop is not None  # noqa: S101 - made by _connect
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            return future.result(seconds)
        except Exception as error:
            future.cancel()
            if meaning := explained(error, self._access):
                raise meaning from None
            raise

    async def _log_in(self) -> Any:  # noqa: ANN401 - kr8s has no types
        with warnings.catch_warnings():
            # It warns about versions of Kubernetes that are newer than itself; what is used here is older than both.
            warnings.simplefilter("ignore")
            import kr8s.asyncio  # noqa: PLC0415 - 0.5 s, and most commands need none of it

            try:
                return await kr8s.asyncio.api(kubeconfig=self._document)
            except (OSError, ValueError) as error:
                # A certificate that is none, a plugin that is not there or prints something else.
                raise credentials_unavailable(self._access, error) from None
            except (LookupError, RuntimeError) as error:
                if self._access.plugin is None:
                    raise
                raise credentials_unavailable(self._access, error) from None


async def _closed(forward: Any) -> None:  # noqa: ANN401 - kr8s has no types
    forward.cancel()
    await forward.__aexit__(None, None, None)
