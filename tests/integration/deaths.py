"""Things that die: what kills or fails a run at every one of its steps."""

import contextlib
from itertools import count

from headscale_core.keys.secrets import StoredSecret


class Killed(BaseException):
    """The process ended here; no handler of ours runs."""


class Failed(Exception):
    """The network or the disk gave up here; our handlers run."""


class MemoryStore:
    """Secrets in memory."""

    def __init__(self):
        self.secrets = {}

    def read(self, namespace, name):
        return self.secrets.get((namespace, name))

    def write(self, namespace, name, secret):
        self.secrets[namespace, name] = StoredSecret(dict(secret.data), dict(secret.annotations), dict(secret.labels))

    def delete(self, namespace, name):
        self.secrets.pop((namespace, name), None)

    def all(self, namespace):
        return {name: stored for (home, name), stored in self.secrets.items() if home == namespace}

    def list_in_all_namespaces(self):
        return [(namespace, name, stored) for (namespace, name), stored in self.secrets.items()]


class MemoryUserRegistry:
    """A record of users in memory."""

    def __init__(self, *names):
        self.names = set(names)

    def holds(self, name):
        return name in self.names

    def add(self, name):
        self.names.add(name)

    def remove(self, name):
        self.names.discard(name)


class Mortal:
    """Passes calls on, and dies before or after one that changes something."""

    CHANGES = ("create_", "delete_", "expire_", "rename_", "set_", "write", "delete", "add", "remove")

    def __init__(self, inner, life):
        self._inner, self._life = inner, life

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if not callable(method) or not name.startswith(self.CHANGES):
            return method

        def call(*arguments, **options):
            self._life.step()
            result = method(*arguments, **options)
            self._life.step()
            return result

        return call


class Life:
    """So many steps to live: two for each change, one before and one after it."""

    def __init__(self, steps, end):
        self.left, self._end, self.is_over = steps, end, False

    def step(self):
        if self.is_over and self._end is Failed:
            return
        if self.left == 0:
            self.is_over = True
            raise self._end
        self.left -= 1


def lives(run, end=Killed):
    """Run something with ever longer lives, until one is long enough; yield after each death.

    A run that fails goes on after the failure, with its handlers; one that is killed does not.
    """
    for steps in count():
        life = Life(steps, end)
        with contextlib.suppress(end):
            run(life)
        if not life.is_over:
            return
        yield steps
