"""Many connections in one thread: a client that is slow, idle or broken blocks no other.

Each connection is served by tasks. A task is a generator that yields what it waits for, a socket and an event, and is
resumed when that is there; no thread is started and no call blocks. asyncio does the same, for 2 MB and 6 KB each.

Every service has a cap. At the cap a new client takes the place of the connection that was idle longest, so who
opens hundreds only closes their own, and a client that asks at once is answered.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

READ, WRITE = select.POLLIN, select.POLLOUT
_FAILED = select.POLLERR | select.POLLHUP | select.POLLNVAL

_WAIT_SECONDS = 1.0
_ACCEPTS_PER_TURN = 64
_PAUSE_SECONDS = 0.05
_BROKEN_SECONDS = 60.0

Wait = tuple[socket.socket, int]
Task = Generator[Wait, None, None]


@dataclass(slots=True, eq=False)
class Connection:
    """A client that is being served.

    Attributes:
        sockets: What is closed with it.
        tasks: What serves it, each with what it waits for; the last that ends, or the first that fails, closes it.
        since: When it was accepted, on the monotonic clock.
    """

    sockets: tuple[socket.socket, ...]
    tasks: dict[Task, Wait]
    since: float = field(default_factory=time.monotonic)

    def close(self) -> None:
        """Close its sockets."""
        for value in self.sockets:
            value.close()


@dataclass(slots=True)
class Service:
    """A port, and how its clients are served.

    Attributes:
        name: What it is called where it fails.
        listener: Its socket, from `listen`.
        serve: Takes a client, and returns all sockets of the connection, the client's too, and its tasks.
        most: Connections at once, two file descriptors each at worst.
        seconds: How long a connection may last; None for as long as both sides like.
        connections: Those that are open, the one that was idle longest first.
        broken_since: Since when no client can be accepted, on the monotonic clock; None while they can.
        broken_by: The last reason.
    """

    name: str
    listener: socket.socket
    serve: Callable[[socket.socket], tuple[tuple[socket.socket, ...], Iterable[Task]]]
    most: int
    seconds: float | None = None
    connections: dict[Connection, None] = field(default_factory=dict)
    broken_since: float | None = None
    broken_by: str = ""

    def failure_reason(self) -> str:
        """Return why the service is to be restarted; empty while it works, or fails for less than that."""
        failing = 0.0 if self.broken_since is None else time.monotonic() - self.broken_since
        return f"the {self.name} accepts no connection: {self.broken_by}" if failing > _BROKEN_SECONDS else ""

    def drop(self, connection: Connection) -> None:
        """Close a connection."""
        del self.connections[connection]
        connection.close()

    def drop_overdue(self) -> None:
        """Close what has lasted too long."""
        if self.seconds is None:
            return
        latest = time.monotonic() - self.seconds
        for connection in [value for value in self.connections if value.since < latest]:
            self.drop(connection)


class EventLoop:
    """Serves some services in the thread that calls it.

    Args:
        services: What to serve.
        log: Takes an event and its fields.
    """

    def __init__(self, services: Iterable[Service], log: Callable[..., None]) -> None:
        self._services = list(services)
        self._log = log

    def run(self) -> None:
        """Serve for ever, whatever happens."""
        while True:
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - the thread would not be restarted
                self._log("serving failed", kind=type(error).__name__, error=str(error))
                time.sleep(_PAUSE_SECONDS)

    def run_once(self) -> None:
        """Wait for something to happen, for a second at most, and do what it asks for."""
        poll, waiting = select.poll(), self._waiting()
        for descriptor, tasks in waiting.items():
            poll.register(descriptor, sum({event for _, _, _, event in tasks}))
        listeners = {service.listener.fileno(): service for service in self._services}
        for descriptor in listeners:
            poll.register(descriptor, READ)
        ready = dict(poll.poll(_WAIT_SECONDS * 1000))
        for descriptor, happened in ready.items():
            for service, connection, task, event in waiting.get(descriptor, ()):
                if happened & (event | _FAILED):
                    self._resume(service, connection, task)
        for descriptor, service in listeners.items():
            if descriptor in ready:
                self._accept(service)
            else:
                service.broken_since = None
            service.drop_overdue()

    def _waiting(self) -> dict[int, list[tuple[Service, Connection, Task, int]]]:
        """Return who waits for something to happen, by file descriptor."""
        waiting: dict[int, list[tuple[Service, Connection, Task, int]]] = {}
        for service in self._services:
            for connection in service.connections:
                for task, (source, event) in connection.tasks.items():
                    waiting.setdefault(source.fileno(), []).append((service, connection, task, event))
        return waiting

    def _accept(self, service: Service) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                client, _ = service.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # No file descriptor is left (EMFILE), or the client is gone already (ECONNABORTED). The first stays so
                # for a while, and the listener stays ready: without a pause this would spin.
                if service.broken_since is None:
                    service.broken_since = time.monotonic()
                    self._log("cannot accept", service=service.name, error=str(error))
                service.broken_by = str(error)
                time.sleep(_PAUSE_SECONDS)
                return
            service.broken_since = None
            self._open(service, client)

    def _open(self, service: Service, client: socket.socket) -> None:
        while len(service.connections) >= service.most:
            service.drop(next(iter(service.connections)))
        connection = Connection((client,), {})
        service.connections[connection] = None
        try:
            client.setblocking(False)
            connection.sockets, tasks = service.serve(client)
            connection.tasks = {task: next(task) for task in tasks}
        except Exception as error:  # noqa: BLE001 - as below
            self._fail(service, connection, error)

    def _resume(self, service: Service, connection: Connection, task: Task) -> None:
        """Let a task go on to the next thing that it waits for."""
        if connection not in service.connections:
            return
        try:
            connection.tasks[task] = next(task)
        except StopIteration:
            del connection.tasks[task]
        except Exception as error:  # noqa: BLE001 - a fault in serving one client is not to end the others
            self._fail(service, connection, error)
            return
        del service.connections[connection]
        if connection.tasks:
            service.connections[connection] = None
        else:
            connection.close()

    def _fail(self, service: Service, connection: Connection, error: Exception) -> None:
        """Close a connection; a broken connection is not logged, anything else is a bug and is."""
        if not isinstance(error, OSError):
            self._log("serving a client failed", service=service.name, kind=type(error).__name__, error=str(error))
        service.drop(connection)


def listen(address: tuple[str, int], most: int) -> socket.socket:
    """Return a listening socket.

    Args:
        address: Host and port. No host, or `::`, is every address of the pod, of IPv4 and of IPv6, where the node has
            both.
        most: Connections at once. Half as many may wait to be accepted: a burst does not push out its own first.

    Raises:
        OSError: When the address cannot be had.
    """
    host, port = address
    waiting = most // 2
    if host in {"", "::"} and socket.has_dualstack_ipv6():
        listener = socket.create_server(("", port), family=socket.AF_INET6, backlog=waiting, dualstack_ipv6=True)
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=waiting)
    listener.setblocking(False)
    return listener


def send(target: socket.socket, data: bytes) -> Task:
    """Send all of it, as fast as it is taken."""
    while data:
        yield target, WRITE
        data = data[target.send(data) :]
