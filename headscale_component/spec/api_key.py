"""Keys for Headscale's API."""

from __future__ import annotations

from pydantic import StrictBool

from headscale_component.spec.kubernetes_values import Image
from headscale_component.spec.model import SpecModel
from headscale_component.spec.secret import KeySecretSpec
from headscale_component.spec.values import (
    DnsSubdomain,
    Duration,
    SecretKey,
    SpareDuration,
)
from headscale_component.versions import SIDECAR_IMAGE
from headscale_core.defaults import API_KEY_EXPIRATION, API_KEY_OVERLAP, API_KEY_ROTATION_BUFFER, API_KEY_SECRET


class ApiKeySpec(KeySecretSpec):
    """An API key that Pulumi keeps: each `pulumi up` inside the rotation buffer replaces it."""

    secret_key: SecretKey = "api-key"  # noqa: S105 - a name
    """Under which name the key stands in the Secret."""

    expiration: Duration = API_KEY_EXPIRATION
    """How long a key is valid; default 90 days, as Headscale's own command line has it."""

    rotation_buffer: Duration = API_KEY_ROTATION_BUFFER
    """A key with less than this left is replaced; default 10 days, so that a missed run or two does no harm."""

    overlap: SpareDuration = API_KEY_OVERLAP
    """How long a replaced key stays valid for those who have not read the new one yet; the first `pulumi up` after that
    revokes it, and it ends by itself within `rotationBuffer`. `0s` revokes it at once."""


class ManagedApiKeySpec(SpecModel):
    """The instance's own API key, which the sidecar makes and rotates."""

    auto_manage: StrictBool = True
    """Whether the sidecar runs. Without it nobody makes the key, and users are managed through the pod instead."""

    secret_name: DnsSubdomain = API_KEY_SECRET
    """The Secret that holds it under `api-key`, with `expiration` and `created-at`."""

    expiration: Duration = API_KEY_EXPIRATION
    """How long a key is valid; default 90 days."""

    rotation_buffer: Duration = API_KEY_ROTATION_BUFFER
    """A key with less than this left is replaced; default 10 days."""

    overlap: SpareDuration = API_KEY_OVERLAP
    """How long a replaced key stays valid, for those who have not read the new one yet; then the sidecar revokes it.
    Secrets that are mounted into pods take a minute or two to change."""

    manager_image: Image = SIDECAR_IMAGE
    """The sidecar's image, for those who keep images in a registry of their own."""
