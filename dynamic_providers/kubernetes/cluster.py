"""The Kubernetes API as the providers use it, for threads: requests, port-forwards and commands in a pod.

kr8s logs in and opens streams, on an event loop in a thread; requests are sent by `api_server`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from dynamic_providers.errors import ClusterError, ClusterUnreachable
from dynamic_providers.kubernetes import kr8s_client
from dynamic_providers.kubernetes import kubeconfig as kubeconfigs
from dynamic_providers.kubernetes.answer import Answer
from dynamic_providers.kubernetes.api_server import ApiServer
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
from dynamic_providers.retry import LOG_IN

__all__ = ["Answer", "Cluster", "ClusterError", "ClusterUnreachable"]

Result = TypeVar("Result")

_REQUEST_TIMEOUT_SECONDS = 30.0
_FAILURE_TTL_SECONDS = 30.0
_CLOSE_TIMEOUT_SECONDS = 5.0
_MIN_LOG_IN_SECONDS = 1.0


class Cluster:
    """One Kubernetes cluster, as a kubeconfig names it; safe to share between threads.

    It connects with the first request. A failure to connect is cached for 30 seconds, so that a thousand resources do
    not wait a thousand times. Its owner closes it, which ends its thread.

    Args:
        kubeconfig: Its text or path; None, the default, for `KUBECONFIG`, `~/.kube/config`, or the pod's own account.
        context: The context in it; None, the default, for the current one.
        cluster: The cluster in it, in place of the context's; None, the default, for the context's.
        log_in_seconds: How long the log-in may take with its retries, in seconds; 15 by default.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        cluster: str | None = None,
        *,
        log_in_seconds: float = LOG_IN.deadline_seconds or 0.0,
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
        """Return the address of the API server, None where the kubeconfig has none; no request is made.

        Raises:
            ClusterError: When the kubeconfig cannot be read.
        """
        return kubeconfigs.server(kubeconfigs.load(self._kubeconfig), self._context, self._cluster)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        timeout_seconds: float = _REQUEST_TIMEOUT_SECONDS,
    ) -> Answer:
        """Send a request and return the response of the API server, whatever its status.

        Args:
            method: HTTP method.
            path: Path from the root, as `/api/v1/namespaces/default`.
            body: The object to send; None, the default, for no body.
            params: Query parameters; None, the default, for none.
            content_type: Of the body, JSON by default; patches have their own
                (https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply).
            timeout_seconds: For the whole request, in seconds; 30 by default.

        Returns:
            The answer, also one that refuses the request.

        Raises:
            ClusterUnreachable: When no API server answers.
            ClusterError: When it refuses the credentials, renewed ones too.
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
            # The token may have expired.
            self._renew()
            answer = send()
        if answer.status == UNAUTHORIZED:
            raise credentials_refused(self._access, answer.message)
        return answer

    @contextlib.contextmanager
    def port_forward(self, pod: str, namespace: str, port: int) -> Iterator[int]:
        """Open a local port that leads to a port in a pod, and close it afterwards.

        Args:
            pod: The pod's name.
            namespace: Its namespace.
            port: The port in the pod.

        Yields:
            The number of the local port.

        Raises:
            ClusterError: When the pod does not exist, or ports of it may not be forwarded.
            ClusterUnreachable: When no API server answers.
        """
        # The same request without the upgrade to a stream: kr8s repeats one that is refused without end, and does not
        # say that it was forbidden (https://github.com/kr8s-org/kr8s/issues/540). It can go when that is fixed.
        answer = self.request(
            "GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward", params={"ports": f"{port}"}
        )
        if answer.status in {FORBIDDEN, NOT_FOUND}:
            raise answer.error(f"no port of pod {namespace}/{pod} can be forwarded")
        from dynamic_providers.kubernetes import port_forward  # noqa: PLC0415 - loaded when it is needed

        forward, local_port = self._on_loop(port_forward.opened(self._api, pod, namespace, port))
        try:
            yield local_port
        finally:
            # Where the cluster was closed first, the port-forward has ended with it.
            if self._api is not None:
                with contextlib.suppress(Exception):
                    self._on_loop(port_forward.close(forward), _CLOSE_TIMEOUT_SECONDS)

    def execute(self, pod: str, namespace: str, container: str, command: list[str]) -> str:
        """Run a command in a container and return its standard output; it has 30 seconds.

        Args:
            pod: The pod's name.
            namespace: Its namespace.
            container: The container's name.
            command: The command and its arguments.

        Raises:
            ClusterError: When it cannot be run, or exits with another code than 0.
            ClusterUnreachable: When no API server answers, or the time is over.
        """
        self._connect()
        from dynamic_providers.kubernetes import pod_command  # noqa: PLC0415 - loaded when it is needed

        return self._on_loop(
            pod_command.execute(self._api, pod, namespace, container, command, timeout_seconds=_REQUEST_TIMEOUT_SECONDS)
        )

    def close(self) -> None:
        """Close the connections and end the thread; the next request connects again.

        Requests and streams that are under way in other threads fail with a ClusterError.
        """
        with self._lock:
            if self._api is not None:
                self._requests.close()
                with contextlib.suppress(Exception):
                    self._event_loop.run(kr8s_client.close(self._api), _CLOSE_TIMEOUT_SECONDS)
                self._api = None
            self._event_loop.close()

    def _connect(self) -> None:
        with self._lock:
            if self._api is not None:
                return
            if self._failure and time.monotonic() < self._failure[0]:
                raise ClusterUnreachable(str(self._failure[1]))
            self._access = kubeconfigs.access(self._kubeconfig, self._context, self._cluster)
            try:
                with self._files.written(self._access.document) as document:
                    api = self._logged_in(document)
                    self._has_answered = True
                    self._requests = self._on_loop(kr8s_client.api_server(api))
                    self._api = api
            except ClusterUnreachable as error:
                self._failure = time.monotonic() + _FAILURE_TTL_SECONDS, error
                raise

    def _logged_in(self, document: Any) -> Any:  # noqa: ANN401 - kr8s has no types
        """Log in, and retry where no API server answers."""
        deadline = time.monotonic() + self._log_in_seconds

        def attempt() -> Any:  # noqa: ANN401 - kr8s has no types
            seconds_left = max(deadline - time.monotonic(), _MIN_LOG_IN_SECONDS)
            return self._on_loop(kr8s_client.log_in(document, self._access), seconds_left)

        try:
            return LOG_IN.call(
                attempt, lambda error: isinstance(error, ClusterUnreachable), deadline_seconds=self._log_in_seconds
            )
        except ClusterUnreachable as error:
            if time.monotonic() >= deadline and self._access.plugin:
                raise credentials_unavailable(self._access, error) from None
            raise

    def _renew(self) -> None:
        """Renew the credentials; this may take as long as a log-in: a plugin may wait for a person's input."""
        with self._lock, self._files.written(self._access.document):
            deadline = time.monotonic() + self._log_in_seconds
            try:
                self._requests = self._on_loop(kr8s_client.renewed_api_server(self._api), self._log_in_seconds)
            except ClusterUnreachable as error:
                if time.monotonic() >= deadline and self._access.plugin:
                    raise credentials_unavailable(self._access, error) from None
                raise

    def _on_loop(self, work: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result:
        try:
            return self._event_loop.run(work, seconds)
        except CancelledError:
            raise ClusterError("the connection to the cluster was closed while it was in use") from None
        except Exception as error:
            if meaning := explained(error, self._access):
                raise meaning from None
            raise
