"""A Headscale for CI runners: the component, and a user and a key that this program adds for each team.

Run it in this folder: `pulumi install`, `pulumi stack init dev`, `pulumi up`. The sidecar's image is in no registry:
build and push it as `docs/production.md` says, and name it by `pulumi config set sidecarImage IMAGE`.
"""

import pulumi

from headscale_component import Headscale, HeadscaleArgs

config = pulumi.Config()
sidecar_image = config.get("sidecarImage")
headscale = Headscale(
    "runners",
    HeadscaleArgs(
        version="v0.28.0",
        namespace=config.require("namespace"),
        create_namespace=True,
        config={
            "server_url": "http://runners.headscale.local",
            "derp": {"urls": [], "server": {"enabled": True}},
        },
        persistent_volume_claim={"size": "128Mi"},
        api_key={"managerImage": sidecar_image} if sidecar_image else {},
    ),
)

for team in ("build", "release"):
    headscale.user(team, {"displayName": f"The {team} team"})
    headscale.pre_auth_key(
        f"{team}-runners", {"user": team, "expiration": "30d", "reusable": True, "ephemeral": True, "tags": ["tag:ci"]}
    )

pulumi.export("serverUrl", headscale.server_url)
