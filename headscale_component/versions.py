"""Versions and images that the component knows, each with its source."""

SIDECAR_IMAGE = "headscale-component/sidecar:0.1.0"
"""The sidecar of this release; built from `images/sidecar/Dockerfile`."""

OLDEST_HEADSCALE = (0, 26)
"""The first Headscale whose API the client speaks (see `headscale_api`)."""

NEWEST_HEADSCALE = (0, 29)
"""The last Headscale with a gRPC API; 0.30 removes it (Headscale changelog)."""
