"""A one-node Kubernetes cluster, each of its parts a process that the lab starts and records."""

from lab.cluster.control import down, is_broken, leftovers, up

__all__ = ["down", "is_broken", "leftovers", "up"]
