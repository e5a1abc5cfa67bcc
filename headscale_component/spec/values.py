"""Constrained values, each named once; the rules and their sources are in `headscale_core.values.validators`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from headscale_core.values import validators
from headscale_core.values.durations import parse_duration


def _a_second_or_more(duration: str) -> str:
    """Check a time that is written and compared in whole seconds."""
    if parse_duration(duration) >= timedelta(seconds=1):
        return duration
    raise ValueError(f"`{duration}` is less than a second; give more, for example `24h` or `90d`")


def _referenced_name(value: str) -> str:
    """Check the name of a Secret without repeating it: it may be the secret itself, pasted in its place."""
    try:
        return validators.dns_subdomain(value)
    except ValueError:
        raise ValueError(
            "is no name of a Kubernetes object: at most 253 of a-z, 0-9, `-` and `.`, as `headscale-oidc`; write the "
            "name, not the value"
        ) from None


DnsLabel = Annotated[str, AfterValidator(validators.dns_label)]
DnsSubdomain = Annotated[str, AfterValidator(validators.dns_subdomain)]
Tag = Annotated[str, AfterValidator(validators.tag)]
Email = Annotated[str, AfterValidator(validators.email)]
PictureUrl = Annotated[str, AfterValidator(validators.picture_url)]
DisplayName = Annotated[str, AfterValidator(validators.display_name)]
Quantity = Annotated[str, AfterValidator(validators.quantity)]
Version = Annotated[str, AfterValidator(validators.version)]
Duration = Annotated[str, AfterValidator(validators.positive_duration), AfterValidator(_a_second_or_more)]
SpareDuration = Annotated[str, AfterValidator(validators.duration)]
Username = Annotated[str, AfterValidator(validators.username)]
ReferencedName = Annotated[str, AfterValidator(_referenced_name)]
"""Name of a Secret or ConfigMap that is there already."""
SecretKey = Annotated[str, AfterValidator(validators.data_key)]
SecretLabels = Annotated[dict[str, str], AfterValidator(validators.secret_labels)]
SecretAnnotations = Annotated[dict[str, str], AfterValidator(validators.secret_annotations)]
UserId = Annotated[str, BeforeValidator(validators.numeric_id), AfterValidator(validators.user_id)]
Adoption = Annotated[bool | str | None, BeforeValidator(validators.adoption)]
