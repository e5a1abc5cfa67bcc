"""Constrained values, each named once; the rules and their sources are in `headscale_core.values.validators`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from headscale_component.spec import kubernetes_values
from headscale_core.values import validators
from headscale_core.values.durations import parse_duration

VERSION = (
    r"v?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z]([-0-9A-Za-z]*[0-9A-Za-z])?(\.[-0-9A-Za-z]*[0-9A-Za-z])*)?"
)
LONGEST_TAG = 128


def _as_tag(version: str) -> str:
    """Check that a version can be an image's tag; its grammar is that of https://semver.org."""
    if len(version) <= LONGEST_TAG and re.fullmatch(VERSION, version):
        return version
    raise ValueError(f"`{version}` is no exact version of at most 128 characters; write for example `v0.28.0`")


def _a_second_or_more(duration: str) -> str:
    """Check a time that is written and compared in whole seconds."""
    if parse_duration(duration) >= timedelta(seconds=1):
        return duration
    raise ValueError(f"`{duration}` is less than a second; give more, for example `24h` or `90d`")


DnsLabel = Annotated[str, AfterValidator(validators.dns_label)]
DnsSubdomain = Annotated[str, AfterValidator(validators.dns_subdomain)]
Tag = Annotated[str, AfterValidator(validators.tag)]
Email = Annotated[str, AfterValidator(validators.email)]
PictureUrl = Annotated[str, AfterValidator(validators.picture_url)]
DisplayName = Annotated[str, AfterValidator(validators.display_name)]
Quantity = Annotated[str, AfterValidator(validators.quantity)]
Version = Annotated[str, AfterValidator(validators.version), AfterValidator(_as_tag)]
Duration = Annotated[str, AfterValidator(validators.positive_duration), AfterValidator(_a_second_or_more)]
SpareDuration = Annotated[str, AfterValidator(validators.duration)]
Username = Annotated[str, AfterValidator(validators.username)]
SecretKey = Annotated[str, AfterValidator(validators.data_key)]
SecretLabels = Annotated[
    dict[str, str], AfterValidator(kubernetes_values.checked_labels), AfterValidator(validators.secret_labels)
]
SecretAnnotations = Annotated[
    dict[str, str], AfterValidator(kubernetes_values.checked_annotations), AfterValidator(validators.secret_annotations)
]
UserId = Annotated[str, BeforeValidator(validators.numeric_id), AfterValidator(validators.user_id)]
Adoption = Annotated[bool | str | None, BeforeValidator(validators.adoption)]
