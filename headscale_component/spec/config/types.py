"""What sections of Headscale's configuration are made of: base, types of values, and markers of versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from headscale_component.spec.config import addresses
from headscale_component.spec.empty_sections import without_empty
from headscale_component.spec.model import OrOutput, SpecModel
from headscale_core.defaults import GRPC_PORT
from headscale_core.values.durations import duration_seconds

DATA_DIRECTORY = "/var/lib/headscale"
"""Where the volume is mounted: database, noise key, ACME cache."""

SOCKET_DIRECTORY = "/var/run/headscale"
"""The directory that headscale and the sidecar share."""

GRPC_LISTEN_ADDRESS = f"0.0.0.0:{GRPC_PORT}"
"""Where Headscale serves gRPC when `grpc_listen_addr` is not written."""


class ConfigSection(SpecModel):
    """A section of `config.yaml`: keys are Headscale's own, in snake_case; None is not written at all."""

    model_config = ConfigDict(alias_generator=None)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        return without_empty(cls, data)


Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Since:
    """The first minor version that reads a key; older ones ignore it silently."""

    minor: Minor


@dataclass(frozen=True, slots=True)
class Until:
    """The last minor version that reads a key.

    Attributes:
        minor: That version.
        after: What newer ones do with it.
        instead: What to write for them.
    """

    minor: Minor
    after: str
    instead: str


@dataclass(frozen=True, slots=True)
class UpstreamDefault:
    """What Headscale itself does where the key is absent, when that is not our default."""

    default: str


_PROMETHEUS = re.compile(r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?", re.ASCII)
_SHORTEST_ABSENCE_SECONDS = 65
"""https://github.com/juanfont/headscale/blob/main/hscontrol/types/config.go."""
_UNQUOTED = re.compile(r"[^\s'\"\\]+")


def go_seconds(text: str) -> float:
    """Return the seconds of a duration in Go's notation.

    Raises:
        ValueError: When it is none; Headscale would read it as nearly zero.
    """
    return duration_seconds(text, allow_days=False)


def _go_duration(text: str) -> str:
    go_seconds(text)
    return text


def _above_zero(text: str) -> str:
    if go_seconds(text) > 0:
        return text
    raise ValueError("must be above 0; Headscale does not start with it")


def _absence(text: str) -> str:
    if go_seconds(text) > _SHORTEST_ABSENCE_SECONDS:
        return text
    raise ValueError(f"`{text}` is too short: Headscale wants more than {_SHORTEST_ABSENCE_SECONDS}s")


def _prometheus_duration(text: str) -> str:
    if text == "0" or (text and _PROMETHEUS.fullmatch(text)):
        return text
    raise ValueError(
        f'`{text}` is no duration; write whole numbers with y, w, d, h, m or s, as `180d`, or "0" for never'
    )


def _absolute_path(text: str) -> str:
    if text.startswith("/"):
        return text
    raise ValueError(f"`{text}` is no absolute path; Headscale would look for it beside its configuration")


def _or_empty(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check that takes the empty text too: Headscale reads it as the key's absence."""
    return lambda text: text and check(text)


def _zero_as_text(value: object) -> object:
    """Take the bare 0 of Headscale's own example as the text that it means."""
    return "0" if value == 0 and not isinstance(value, bool) else value


def _lower_case(text: str) -> str:
    if text == text.lower():
        return text
    raise ValueError(f"Headscale reads the name in lower case; write `{text.lower()}`")


def _dsn_word(text: str) -> str:
    if _UNQUOTED.fullmatch(text):
        return text
    raise ValueError("must not be empty nor hold spaces, quotes or backslashes: Headscale does not quote it")


def _non_negative(number: int) -> int:
    if number >= 0:
        return number
    raise ValueError(f"{number} is below 0")


def _positive(number: int) -> int:
    if number > 0:
        return number
    raise ValueError(f"{number} is not above 0")


def _text_schema(**schema: Any) -> WithJsonSchema:  # noqa: ANN401 - a JSON schema
    return WithJsonSchema({"type": "string", **schema})


Text = OrOutput[StrictStr]
Flag = OrOutput[StrictBool]
Number = OrOutput[Annotated[StrictInt, AfterValidator(_non_negative)]]
Positive = OrOutput[Annotated[StrictInt, AfterValidator(_positive)]]
_Duration = Annotated[StrictStr, AfterValidator(_go_duration), _text_schema(examples=["30m"])]
GoDuration = OrOutput[_Duration]
PositiveGoDuration = OrOutput[Annotated[_Duration, AfterValidator(_above_zero)]]
Absence = OrOutput[Annotated[_Duration, AfterValidator(_absence)]]
"""How long a node may be away."""
Expiry = OrOutput[
    Annotated[
        StrictStr,
        BeforeValidator(_zero_as_text),
        AfterValidator(_prometheus_duration),
        _text_schema(examples=["180d", "0"]),
    ]
]
Endpoint = Annotated[StrictStr, AfterValidator(addresses.endpoint), _text_schema(examples=["0.0.0.0:8080"])]
EndpointOrOff = Annotated[
    StrictStr, AfterValidator(_or_empty(addresses.endpoint)), _text_schema(examples=["0.0.0.0:9090", ""])
]
FilePath = OrOutput[Annotated[StrictStr, AfterValidator(_absolute_path)]]
FilePathOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(_absolute_path))]]
NetworkV4 = OrOutput[
    Annotated[StrictStr, AfterValidator(_or_empty(addresses.network(4))), _text_schema(examples=["100.64.0.0/10"])]
]
NetworkV6 = OrOutput[
    Annotated[
        StrictStr, AfterValidator(_or_empty(addresses.network(6))), _text_schema(examples=["fd7a:115c:a1e0::/48"])
    ]
]
IpAddress = OrOutput[Annotated[StrictStr, AfterValidator(addresses.address)]]
Nameserver = OrOutput[Annotated[StrictStr, AfterValidator(addresses.nameserver)]]
ProxyRange = OrOutput[Annotated[StrictStr, AfterValidator(addresses.proxies)]]
LowerCaseText = Annotated[StrictStr, AfterValidator(_lower_case)]
Domain = OrOutput[Annotated[StrictStr, AfterValidator(addresses.domain)]]
LowerCaseDomain = Annotated[StrictStr, AfterValidator(addresses.domain), AfterValidator(_lower_case)]
DomainOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(addresses.domain))]]
ServerUrl = OrOutput[Annotated[StrictStr, AfterValidator(addresses.server_url)]]
HttpUrl = OrOutput[Annotated[StrictStr, AfterValidator(addresses.http_url)]]
HttpUrlOrEmpty = OrOutput[Annotated[StrictStr, AfterValidator(_or_empty(addresses.http_url))]]
DsnWord = OrOutput[Annotated[StrictStr, AfterValidator(_dsn_word)]]
