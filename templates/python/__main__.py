"""A Headscale on Kubernetes, with a user and a key with which that user's laptop joins."""

import pulumi

from headscale_component import Headscale

config = pulumi.Config()
image = config.get("managerImage")
vpn = Headscale(
    "vpn",
    {
        "version": "v0.29.3",
        "namespace": config.require("namespace"),
        "createNamespace": True,
        "config": {"server_url": config.require("serverUrl")},
        "apiKey": {"managerImage": image} if image else {},
    },
)
vpn.user("alice", {"displayName": "Alice"})
vpn.pre_auth_key("laptop", {"user": "alice", "expiration": "24h"})

pulumi.export("serverUrl", vpn.server_url)
pulumi.export("apiKeySecret", vpn.api_key_secret_name)
