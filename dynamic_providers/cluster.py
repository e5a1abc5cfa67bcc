"""The door to the Kubernetes API: requests, port-forwards and commands in a pod, for threads.

kr8s does the work, on an event loop of its own in one thread. It is loaded with the first request, because most
commands of Pulumi never make one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import warnings
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from dynamic_providers import kubeconfig

Result = TypeVar("Result")

_SECONDS = 30.0
_ACCEPTED_IN_SECONDS = 15.0
_CLOSED_IN_SECONDS = 5.0
_PORT_TRIES = 5
_REFUSED = (401, 403, 404)


class ClusterError(Exception):
    """A request that Kubernetes did not carry out.

    Attributes:
        status: The HTTP status, None where there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ClusterUnreachable(ClusterError):
    """No API server answers."""


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
        """The reason, where it was not."""
        return str(self.body.get("message", f"HTTP status {self.status}"))


class Cluster:
    """One Kubernetes cluster, as a kubeconfig names it; safe to share between threads.

    Args:
        kubeconfig: Its text or path; None for `KUBECONFIG`, `~/.kube/config`, or the pod's own account.
        context: The context in it; None for the current one.
        cluster: The cluster in it, in place of the context's.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None, cluster: str | None = None) -> None:
        self._kubeconfig, self._context, self._cluster = kubeconfig, context, cluster
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._api: Any = None

    def server(self) -> str | None:
        """Return the address of the API server, None where it cannot be told; nothing is asked for that."""
        return kubeconfig.server(kubeconfig.load(self._kubeconfig), self._context, self._cluster)

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
        """
        options: dict[str, Any] = {"params": dict(params or {}), "timeout": timeout_seconds}
        if body is not None:
            options |= {"json": body, "headers": {"Content-Type": content_type}}
        return self._run(self._request(method, path, options))

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
        if asked.status in _REFUSED:
            raise ClusterError(f"no port of pod {namespace}/{pod} can be forwarded: {asked.message}", asked.status)
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

    async def _request(self, method: str, path: str, options: Mapping[str, Any]) -> Answer:
        base, _, rest = path.rpartition("/")
        async with self._api.call_api(
            method, base=base, version="", url=rest, raise_for_status=False, **options
        ) as response:
            try:
                return Answer(response.status_code, response.json())
            except ValueError:
                return Answer(response.status_code, {"message": response.text[:300]})

    async def _forward(self, pod: str, namespace: str, port: int) -> tuple[Any, int]:
        from kr8s.asyncio.objects import Pod  # noqa: PLC0415 - loaded when it is needed

        from dynamic_providers.port_forward import PatientPortForward  # noqa: PLC0415

        found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=self._api)
        for tries_left in reversed(range(_PORT_TRIES)):
            forward: Any = PatientPortForward(found, port, local_port="auto")
            try:
                return forward, await forward.__aenter__()
            except OSError as error:
                # kr8s looks for a free port first and takes it later: somebody may have been faster.
                if error.errno != errno.EADDRINUSE or not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _execute(self, pod: str, namespace: str, container: str, command: list[str]) -> str:
        from kr8s.asyncio.objects import Pod  # noqa: PLC0415 - loaded when it is needed

        found = await Pod({"metadata": {"name": pod, "namespace": namespace}}, api=self._api)
        done = await found.exec(command, container=container, check=False, capture_output=True)
        if done.returncode:
            words = " ".join(command[:3])
            raise ClusterError(f"`{words}` failed in pod {namespace}/{pod}: {bytes(done.stderr).decode()[:300]}")
        return bytes(done.stdout).decode()

    def _run(self, work: Coroutine[Any, Any, Result], *, seconds: float | None = None) -> Result:
        """Do something on the event loop, and name it where the cluster does not answer."""
        try:
            self._connect()
        except BaseException:
            work.close()
            raise
        return self._on_loop(work, seconds)

    def _connect(self) -> None:
        with self._lock:
            if self._api is None:
                if self._loop is None:
                    self._loop = asyncio.new_event_loop()
                    threading.Thread(target=self._loop.run_forever, daemon=True, name="kubernetes").start()
                self._api = self._on_loop(self._log_in())

    def _on_loop(self, work: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result:
        assert self._loop is not None  # noqa: S101 - made by _connect
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)
        except ClusterError:
            raise
        except Exception as error:  # noqa: BLE001 - kr8s and httpx raise a dozen kinds, all meaning this
            where = f"context `{self._context}` of " if self._context else ""
            source = "the given kubeconfig" if self._kubeconfig else "KUBECONFIG or ~/.kube/config"
            raise ClusterUnreachable(
                f"the Kubernetes cluster is unreachable ({type(error).__name__}: {str(error)[:200]}); "
                f"look at {where}{source}, and try `kubectl get --raw /readyz`"
            ) from None

    async def _log_in(self) -> Any:  # noqa: ANN401 - kr8s has no types
        with warnings.catch_warnings():
            # It warns about versions of Kubernetes that are newer than itself; what is used here is older than both.
            warnings.simplefilter("ignore")
            import kr8s.asyncio  # noqa: PLC0415 - 0.5 s, and most commands need none of it

            config: Any = self._kubeconfig
            if self._cluster:
                config = kubeconfig.with_cluster(kubeconfig.load(config), self._context, self._cluster)
            elif config and "\n" in config:
                config = yaml.safe_load(config)
            async with asyncio.timeout(_ACCEPTED_IN_SECONDS):
                return await kr8s.asyncio.api(kubeconfig=config, context=self._context)


async def _closed(forward: Any) -> None:  # noqa: ANN401 - kr8s has no types
    forward.give_up()
    await forward.__aexit__(None, None, None)
