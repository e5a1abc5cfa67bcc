"""Versions and images that the component knows, each with its source."""

SIDECAR_IMAGE = "headscale-component/sidecar:0.1.0"
"""The sidecar of this release; built from `images/sidecar/Dockerfile`."""

OLDEST_HEADSCALE = (0, 26)
"""The first Headscale whose API the client speaks (see `headscale_core`)."""

NEWEST_HEADSCALE = (0, 29)
"""The last Headscale with a gRPC API; 0.30 removes it (Headscale changelog)."""


def minor_version(version: object) -> tuple[int, int] | None:
    """Return major and minor number of a version, None where it is not one."""
    numbers = str(version).removeprefix("v").split(".")
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers[:2]):  # noqa: PLR2004 - major and minor
        return None
    return int(numbers[0]), int(numbers[1])


def is_newer_than_known(version: str) -> bool:
    """Return whether a version is one that was not there when this was written."""
    minor = minor_version(version)
    return minor is not None and minor > NEWEST_HEADSCALE
