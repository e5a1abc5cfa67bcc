"""Constrained values, each named once; the rules and their sources are in `headscale_api.fields`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from headscale_api import fields

DnsLabel = Annotated[str, AfterValidator(fields.dns_label)]
DnsSubdomain = Annotated[str, AfterValidator(fields.dns_subdomain)]
Tag = Annotated[str, AfterValidator(fields.tag)]
Email = Annotated[str, AfterValidator(fields.email)]
PictureUrl = Annotated[str, AfterValidator(fields.picture_url)]
DisplayName = Annotated[str, AfterValidator(fields.display_name)]
Quantity = Annotated[str, AfterValidator(fields.quantity)]
Version = Annotated[str, AfterValidator(fields.version)]
Duration = Annotated[str, AfterValidator(fields.positive_duration)]
SpareDuration = Annotated[str, AfterValidator(fields.duration)]
Username = Annotated[str, AfterValidator(fields.username)]
SecretKey = Annotated[str, AfterValidator(fields.data_key)]
SecretLabels = Annotated[dict[str, str], AfterValidator(fields.secret_labels)]
SecretAnnotations = Annotated[dict[str, str], AfterValidator(fields.secret_annotations)]
UserId = Annotated[str, BeforeValidator(fields.numeric_id), AfterValidator(fields.user_id)]
Adoption = Annotated[bool | str | None, BeforeValidator(fields.adoption)]
