"""Users, a preauth key for each purpose, and an API key for another program.

Run it in this folder: `pulumi install`, `pulumi stack init dev`, `pulumi up`. The sidecar's image is in no registry:
build and push it as `docs/production.md` says, and name it by `pulumi config set sidecarImage IMAGE`.
"""

import pulumi

from headscale_component import Headscale

sidecar_image = pulumi.Config().get("sidecarImage")
vpn = Headscale(
    "vpn",
    {
        "version": "v0.29.3",
        "createNamespace": True,
        "config": {"server_url": "https://vpn.example.com"},
        "apiKey": {"managerImage": sidecar_image} if sidecar_image else {},
    },
)

alice = vpn.user("alice", {"displayName": "Alice Smith", "email": "alice@example.com"})
vpn.user("ci")

# A person's machine: for one node, for a day.
vpn.pre_auth_key("alice-laptop", {"user": "alice", "expiration": "24h"})
# Runners: for many nodes, which go when they are offline. A new key is in the Secret 30 days before the old one ends.
vpn.pre_auth_key(
    "runners",
    {
        "user": "ci",
        "expiration": "90d",
        "renewBefore": "30d",
        "reusable": True,
        "ephemeral": True,
        "tags": ["tag:ci"],
        "secretKey": "TS_AUTHKEY",
    },
)
# A server: it belongs to its tag, and to no user.
vpn.pre_auth_key("server", {"expiration": "1h", "tags": ["tag:server"]})

# A web interface, which reads its key from the Secret `headplane`.
vpn.api_key("headplane", {"expiration": "90d", "rotationBuffer": "10d"})

pulumi.export("aliceId", alice.id)
pulumi.export("apiKeySecret", vpn.api_key_secret_name)
