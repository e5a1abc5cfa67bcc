"""A policy, and a subnet router whose routes and exit node are approved by it.

Run it in this folder: `pulumi install`, `pulumi stack init dev`, `pulumi up`. The sidecar's image is in no registry:
build and push it as `docs/production.md` says, and name it by `pulumi config set sidecarImage IMAGE`.
"""

import pulumi

from headscale_component import Headscale

config = pulumi.Config()
network = config.get("network") or "10.0.0.0/8"
sidecar_image = config.get("sidecarImage")
vpn = Headscale(
    "vpn",
    {
        "version": "v0.29.3",
        "createNamespace": True,
        "config": {"server_url": "https://vpn.example.com"},
        "apiKey": {"managerImage": sidecar_image} if sidecar_image else {},
        "users": {"alice": {}, "bob": {}},
        "preAuthKeys": {"router": {"expiration": "1h", "tags": ["tag:router"]}},
        "policy": {
            "groups": {"group:admin": ["alice@"]},
            "tagOwners": {"tag:router": ["group:admin"]},
            "acls": [
                {"action": "accept", "src": ["group:admin"], "dst": ["*:*"]},
                {"action": "accept", "src": ["autogroup:member"], "dst": [f"{network}:443", "autogroup:internet:*"]},
            ],
            "autoApprovers": {"routes": {network: ["tag:router"]}, "exitNode": ["tag:router"]},
        },
    },
)

pulumi.export("routerKeySecret", vpn.pre_auth_keys["router"])
