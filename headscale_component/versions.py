"""Versions and images that the component knows, each with its source."""

from headscale_core.values.versions import NEWEST_HEADSCALE, OLDEST_HEADSCALE, HeadscaleVersion

__all__ = [
    "NEWEST_HEADSCALE",
    "OLDEST_HEADSCALE",
    "SIDECAR_IMAGE",
    "HeadscaleVersion",
    "is_newer_than_known",
    "minor_version",
]

SIDECAR_IMAGE = "headscale-component/sidecar:0.1.0"
"""The sidecar of this release; built from `images/sidecar/Dockerfile`."""


def minor_version(version: object) -> HeadscaleVersion | None:
    """Return the minor version of what a person wrote as a version, None where it is not one."""
    return HeadscaleVersion.parse_or_none(str(version))


def is_newer_than_known(version: str) -> bool:
    """Return whether a version is one that was not there when this was written."""
    minor = minor_version(version)
    return minor is not None and minor > NEWEST_HEADSCALE
