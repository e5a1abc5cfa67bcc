"""The container beside Headscale: it keeps the API key and relays the admin channel.

Here live its settings, its one loop, its Kubernetes calls, the relay and the health endpoint. Here never live pulumi,
kr8s or Pydantic: the process has a budget of 40 MB, and each of them would spend it.
"""
