"""Versions and images that the component knows, each with its source."""

from headscale_core.defaults import LOCAL_IMAGES
from headscale_core.values.versions import NEWEST_HEADSCALE, OLDEST_HEADSCALE, HeadscaleVersion

__all__ = [
    "NEWEST_HEADSCALE",
    "OLDEST_HEADSCALE",
    "PUBLISHED_SIDECAR",
    "SIDECAR_IMAGE",
    "VERSION",
    "HeadscaleVersion",
    "is_newer_than_known",
    "minor_version",
]

VERSION = "0.1.0"
"""This version of the component. The build, the image's tag and the documentation read it from here."""

PUBLISHED_SIDECAR: str | None = None
"""The sidecar's image of this release with its digest, as `ghcr.io/OWNER/NAME/sidecar@sha256:…`.

None in a checkout, whose image nobody has published. The release workflow writes it before it builds the wheel
(`python -m tools.release pin`), because only then are the owner of the repository and the digest known.
"""

SIDECAR_IMAGE = PUBLISHED_SIDECAR or f"{LOCAL_IMAGES}headscale-sidecar:{VERSION}"
"""The default sidecar: of a release the published image by its digest, of a checkout one that is built from
`images/sidecar/Dockerfile` and loaded into the nodes. No registry serves its name, so nobody else can publish it."""


def minor_version(version: object) -> HeadscaleVersion | None:
    """Return the minor version of what a person wrote as a version, None where it is not one."""
    return HeadscaleVersion.parse_or_none(str(version))


def is_newer_than_known(version: str) -> bool:
    """Return whether a version is one that was not there when this was written."""
    minor = minor_version(version)
    return minor is not None and minor > NEWEST_HEADSCALE
