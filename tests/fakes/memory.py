"""Secrets and the registry of users, in memory."""

from headscale_core.keys.secrets import StoredSecret


class MemoryStore:
    """Secrets in memory, all of them ours."""

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
    """Names of our users in memory."""

    def __init__(self, *names):
        self.names = set(names)

    def contains(self, name):
        return name in self.names

    def add(self, name):
        self.names.add(name)

    def remove(self, name):
        self.names.discard(name)
