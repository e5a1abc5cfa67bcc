"""What a release sets in this package: its version, and the image of the sidecar that was published with it."""

VERSION = "0.1.0"
"""The version of the package. The build, the command line, the image's tag and the documentation read it from here."""

PUBLISHED_SIDECAR: str | None = None
"""The sidecar's image of this release with its digest, as `ghcr.io/OWNER/NAME/sidecar@sha256:…`.

None in a checkout, whose image nobody has published. The release workflow writes it before it builds the wheel
(`python -m tools.release pin IMAGE`), because only then are the owner of the repository and the digest known.
"""
