"""The admin channel: how a provider process reaches its Headscale, opened on first use."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from dynamic_providers.cluster import Cluster, ClusterError
from dynamic_providers.secret_store import KubernetesSecretStore
from dynamic_providers.snapshot import Snapshot
from dynamic_providers.turns import Turns
from dynamic_providers.user_record import ClaimRecord
from headscale_api import ApiKey, HeadscaleClient, HeadscaleError, PreAuthKey, User, api_key_prefix
from headscale_api.stored_keys.store import StoredSecret

Result = TypeVar("Result")

_OPEN_SECONDS = 40.0
_PAUSE_SECONDS = 0.5
_BORROWED_KEY = timedelta(minutes=15)


class ChannelError(Exception):
    """Headscale cannot be reached; the message says where the way ends and what to look at."""


class ChannelBroken(ChannelError):
    """The way was open and broke in the middle of an operation."""


class HeadscaleGone(ChannelError):
    """The instance itself is not there any more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a connection was told; see `ConnectionArgs`."""

    instance: str
    namespace: str
    channel: str = "relay"
    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    relay_port: int = 50480
    grpc_port: int = 50443
    address: str | None = None
    api_key: str | None = None
    api_key_secret: str | None = None
    tls: bool = False
    ca_certificate: str | None = None
    transport: str = "grpc"
    http_port: int = 8080
    server_name: str | None = None
    keys_on_user_deletion: str = "refuse"

    @property
    def pod(self) -> str:
        """The instance's one pod."""
        return f"{self.instance}-0"


class Channel:
    """One Headscale and its cluster; safe to share between the threads of a provider process.

    Args:
        settings: What the connection was told.
        open_seconds: How long to try to open the way: a pod may just be starting. Who comes after one that tried so
            long in vain tries once, so that a thousand resources do not wait a thousand times.
    """

    def __init__(self, settings: Settings, *, open_seconds: float = _OPEN_SECONDS) -> None:
        self.settings = settings
        self._open_seconds = self._patience_seconds = open_seconds
        self.cluster = Cluster(settings.kubeconfig, settings.context, settings.cluster)
        self._lock = threading.Lock()
        self._open: contextlib.ExitStack | None = None
        self._client: HeadscaleClient | None = None
        self._users_of_borrowed_key = 0
        self.snapshot = Snapshot()
        self.turns = Turns()
        self.made: set[object] = set()
        """What was made, or found and taken, by this process: the engine may delete it as what it took the place of."""
        self.record = ClaimRecord(
            self.cluster, settings.namespace, settings.instance, needs_cluster=settings.channel != "direct"
        )

    def secrets(self, kind: str) -> KubernetesSecretStore:
        """Return the store of one kind of keys."""
        return KubernetesSecretStore(self.cluster, self.settings.instance, self.settings.namespace, kind)

    @contextlib.contextmanager
    def change(self, *, alone: bool = False) -> Iterator[HeadscaleClient]:
        """Give a client for an operation that changes something: lists are asked for anew afterwards.

        Args:
            alone: Whether no other change may be under way.
        """
        with self.session() as client, self.turns.alone() if alone else self.turns.together():
            try:
                yield client
            finally:
                self.snapshot.forget()

    def users(self) -> dict[str, User]:
        """Return the users by id, asked for once in a while."""
        return self.snapshot.of("users", lambda: {str(user.id): user for user in self._ask(HeadscaleClient.list_users)})

    def pre_auth_keys(self) -> dict[str, PreAuthKey]:
        """Return the preauth keys by id, asked for once in a while."""
        ask = HeadscaleClient.list_pre_auth_keys
        return self.snapshot.of("pre_auth_keys", lambda: {str(key.id): key for key in self._ask(ask)})

    def api_keys(self) -> list[ApiKey]:
        """Return the API keys, asked for once in a while."""
        return self.snapshot.of("api_keys", lambda: self._ask(HeadscaleClient.list_api_keys))

    def stored(self, kind: str, namespace: str, name: str) -> StoredSecret | None:
        """Return one of our Secrets, from a list that is asked for once in a while; None where it is not ours."""
        secrets = self.snapshot.of((kind, namespace), lambda: self.secrets(kind).all(namespace))
        return secrets.get(name)

    def _ask(self, question: Callable[[HeadscaleClient], Result]) -> Result:
        def ask() -> Result:
            with self.session() as client:
                return question(client)

        return repeat_safely(ask)

    @contextlib.contextmanager
    def session(self) -> Iterator[HeadscaleClient]:
        """Give a client that works, for one operation.

        Raises:
            ChannelError: When the way to Headscale is blocked.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            client = self._client
            self._users_of_borrowed_key += 1
        try:
            yield client
        except HeadscaleError as error:
            if error.retryable:
                self._forget(client)
                raise ChannelBroken(f"{error}; {self._pod_report()}") from error
            raise
        finally:
            with self._lock:
                self._users_of_borrowed_key -= 1
                if self._borrows and self._users_of_borrowed_key == 0:
                    self._close()

    @property
    def _borrows(self) -> bool:
        """Whether the key is one that was made for the moment, to be deleted after use."""
        return self.settings.channel == "pod" and not (self.settings.api_key or self.settings.api_key_secret)

    def _connect(self) -> HeadscaleClient:
        """Try until it works or time is over: the pod may be starting, the port-forward may have broken."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            self._open = contextlib.ExitStack()
            try:
                client = self._open.enter_context(self._client_of_channel(self._open))
                client.list_users(user_id=2**62)
            except HeadscaleError as error:
                self._close()
                if not error.retryable:
                    raise
                problem: Exception = error
            except ClusterError as error:
                self._close()
                raise ChannelError(str(error)) from None
            else:
                self._patience_seconds = self._open_seconds
                return client
            report = self._pod_report()
            if time.monotonic() >= deadline or "crashes" in report:
                self._patience_seconds = 0.0
                raise ChannelError(f"{problem}; {report}") from None
            time.sleep(_PAUSE_SECONDS)

    def _client_of_channel(self, stack: contextlib.ExitStack) -> HeadscaleClient:
        settings = self.settings
        if settings.channel == "direct":
            if not settings.address:
                raise ChannelError(
                    "`direct` needs an `address`, as `vpn.example.com:50443` or `https://vpn.example.com`"
                )
            return self._remote(settings.address, self._stored_key())
        self._require_pod()
        port = settings.relay_port if settings.channel == "relay" else self._pod_port
        local = stack.enter_context(self.cluster.port_forward(settings.pod, settings.namespace, port))
        address = f"127.0.0.1:{local}"
        if settings.channel == "relay":
            return HeadscaleClient.over_relay("127.0.0.1", local)
        if settings.transport == "rest":
            address = f"{'https' if settings.tls else 'http'}://{address}"
        if not self._borrows:
            return self._remote(address, self._stored_key())
        key = stack.enter_context(self._borrowed_key())
        return self._remote(address, key)

    def _remote(self, address: str, key: str) -> HeadscaleClient:
        settings = self.settings
        authority = settings.ca_certificate.encode() if settings.ca_certificate else None
        name = settings.server_name if settings.channel == "pod" and settings.tls else None
        if address.startswith(("https://", "http://")):
            return HeadscaleClient.over_http(address, api_key=key, ca_certificate=authority, server_name=name)
        return HeadscaleClient.over_tcp(
            address, api_key=key, tls=settings.tls, ca_certificate=authority, server_name=name
        )

    @property
    def _pod_port(self) -> int:
        return self.settings.http_port if self.settings.transport == "rest" else self.settings.grpc_port

    def _stored_key(self) -> str:
        """Return the key that was given, or read it from its Secret now."""
        if self.settings.api_key:
            return _checked_key(self.settings.api_key, "the connection")
        name, namespace = self.settings.api_key_secret, self.settings.namespace
        answer = self.cluster.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        value = (answer.body.get("data") or {}).get("api-key") if answer.ok else None
        if not value:
            why = answer.message if not answer.ok else "it has no `api-key`"
            raise ChannelError(f"the API key cannot be read from Secret {namespace}/{name}: {why}")
        import base64  # noqa: PLC0415 - used on this one way alone

        return _checked_key(base64.b64decode(value).decode(errors="replace"), f"Secret {namespace}/{name}")

    @contextlib.contextmanager
    def _borrowed_key(self) -> Iterator[str]:
        """Make a key by headscale's own command in the pod; short-lived, and deleted afterwards."""
        lifetime = f"{int(_BORROWED_KEY.total_seconds() // 60)}m"
        told = json.loads(self._in_pod("apikeys", "create", "--expiration", lifetime, "--output", "json"))
        # Up to 0.29 the text alone, from 0.30 an object that holds it.
        key = str(next(iter(told.values())) if isinstance(told, dict) else told)
        try:
            yield key
        finally:
            # One that cannot be deleted ends by itself within a quarter of an hour.
            with contextlib.suppress(ClusterError):
                self._in_pod("apikeys", "delete", "--prefix", api_key_prefix(key), "--output", "json")

    def _in_pod(self, *arguments: str) -> str:
        return self.cluster.execute(self.settings.pod, self.settings.namespace, "headscale", ["headscale", *arguments])

    def _require_pod(self) -> None:
        """Check that the pod is there: a port-forward to none fails without a reason."""
        answer = self._get("apps/v1", "statefulsets", self.settings.instance)
        if answer is None:
            raise HeadscaleGone(
                f"there is no StatefulSet {self.settings.namespace}/{self.settings.instance} in this cluster; "
                "was the instance deleted, or is this another cluster?"
            )

    def _get(self, version: str, kind: str, name: str) -> Mapping[str, Any] | None:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        answer = self.cluster.request("GET", f"{root}/namespaces/{self.settings.namespace}/{kind}/{name}")
        if answer.status == 404:  # noqa: PLR2004 - HTTP
            return None
        if not answer.ok:
            raise ClusterError(f"{kind} {self.settings.namespace}/{name} cannot be read: {answer.message}")
        return answer.body

    def _pod_report(self) -> str:
        """Return what is the matter with the pod, in a sentence that names the command to run next."""
        if self.settings.channel == "direct":
            return "look at the address, the proxy before it and Headscale's log"
        where = f"{self.settings.namespace}/{self.settings.pod}"
        try:
            pod = self._get("v1", "pods", self.settings.pod)
        except ClusterError as error:
            return str(error)
        if pod is None:
            return f"pod {where} does not exist: is the StatefulSet scaled to 0? see `kubectl describe statefulset`"
        return describe_pod(where, pod)

    def close(self) -> None:
        """Give up the way; it is opened again where it is needed again."""
        with self._lock:
            self._close()

    def _forget(self, client: HeadscaleClient) -> None:
        with self._lock:
            if self._client is client:
                self._close()

    def _close(self) -> None:
        stack, self._open, self._client = self._open, None, None
        if stack is not None:
            stack.close()


def _checked_key(text: str, where: str) -> str:
    """Return a key without the line break that tools put behind it, and refuse what can be none without showing it."""
    key = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]+", key):
        raise ChannelError(f"the API key in {where} holds characters that no key has; store it again as it was made")
    return key


def describe_pod(where: str, pod: Mapping[str, Any]) -> str:
    """Return what keeps a pod from serving.

    Args:
        where: `namespace/name`, for the text.
        pod: The pod as the API server shows it.
    """
    namespace, _, name = where.partition("/")
    for status in pod.get("status", {}).get("containerStatuses", []):
        container = f"container `{status['name']}` of pod {where}"
        logs = f"kubectl logs {name} -n {namespace} -c {status['name']}"
        waiting = status.get("state", {}).get("waiting") or {}
        ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}
        if waiting.get("reason") == "CrashLoopBackOff" or (ended and not status.get("ready")):
            said = str(ended.get("message", "")).strip()[-400:]
            return f"{container} crashes (exit code {ended.get('exitCode')}): {said}; see `{logs} --previous`"
        if waiting:
            return f"{container} waits: {waiting.get('reason')} {waiting.get('message', '')}"
        if not status.get("ready"):
            return f"{container} runs and is not ready; see `{logs}`"
    phase = pod.get("status", {}).get("phase", "Unknown")
    return f"pod {where} is {phase}; see `kubectl describe pod {name} -n {namespace}`"


def repeat_safely(action: Callable[[], Result], *, times: int = 3) -> Result:
    """Do something that may be done twice without harm, again where the channel broke in the middle."""
    for attempt in range(times):
        try:
            return action()
        except ChannelBroken:
            if attempt == times - 1:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("not reached")


def utc_now() -> datetime:
    """Return the time; the one clock of the providers."""
    return datetime.now(UTC)
