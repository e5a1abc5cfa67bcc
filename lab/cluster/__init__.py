"""A one-node Kubernetes from its parts, each a recorded process of the lab."""

from lab.cluster.control import down, is_broken, leftovers, up

__all__ = ["down", "is_broken", "leftovers", "up"]
