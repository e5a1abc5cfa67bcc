"""Rules of single values, each with its source and what to write instead.

Pure, so that specification and providers refuse the same things with the same words. Headscale's API checks next to
nothing of a user from 0.27 on (seen on 0.28 and 0.29: empty names, names with spaces and any e-mail address are
accepted), so the limits of users' other fields are our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

from headscale_core.defaults import INSTANCE_LABEL, MANAGED_BY_LABEL, NAME_LABEL, PREFIX
from headscale_core.values.durations import parse_duration

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TAG = re.compile(r"tag:[a-z][a-z0-9-]*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?")
_USER_EMAIL = re.compile(r"[a-z0-9][a-z0-9._+-]*@[a-z0-9][a-z0-9.-]*\.[a-z]{2,}")
_QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_IDS_END = 2**63
_NUMBER = "(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
"""https://semver.org, without build metadata, which a tag of an image cannot have."""


def dns_label(value: str) -> str:
    """Check a Kubernetes object name (RFC 1123 label: at most 63 characters)."""
    if _DNS_LABEL.fullmatch(value):
        return value
    raise ValueError(
        f"`{value}` is no DNS label: at most 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit"
    )


def dns_subdomain(value: str) -> str:
    """Check the name of a Secret (RFC 1123 subdomain: at most 253 characters)."""
    if len(value) <= 253 and _DNS_SUBDOMAIN.fullmatch(value):  # noqa: PLR2004 - RFC 1123
        return value
    raise ValueError(
        f"`{value}` is no Kubernetes name: at most 253 of a-z, 0-9, `-` and `.`, for example `alice-dev-key`"
    )


def tag(value: str) -> str:
    """Check an ACL tag by Tailscale's rule; Headscale itself would take nearly anything."""
    if _TAG.fullmatch(value):
        return value
    raise ValueError(
        f"`{value}` is no tag: write `tag:` and a name of a-z, 0-9 and `-` that begins with a letter, as `tag:ci`"
    )


def email(value: str) -> str:
    """Check an e-mail address loosely, at most 320 characters."""
    if len(value) <= 320 and _EMAIL.fullmatch(value):  # noqa: PLR2004 - RFC 3696
        return value
    raise ValueError("must be an e-mail address of at most 320 characters, for example `alice@example.com`")


def picture_url(value: str) -> str:
    """Check a picture's address, at most 2048 characters."""
    if len(value) <= 2048 and re.fullmatch(r"https?://\S+", value):  # noqa: PLR2004 - our limit
        return value
    raise ValueError("must be an http:// or https:// URL of at most 2048 characters")


def display_name(value: str) -> str:
    """Check a person's name, at most 255 characters."""
    if len(value) <= 255:  # noqa: PLR2004 - our limit
        return value
    raise ValueError(f"has {len(value)} characters; at most 255 are allowed")


def quantity(value: str) -> str:
    """Check a size in Kubernetes' notation."""
    if _QUANTITY.fullmatch(value):
        return value
    raise ValueError(f"`{value}` is no size; write a number with a unit, for example `1Gi`")


def version(value: str) -> str:
    """Check a Headscale version: exact, because floating tags break its one-minor-at-a-time upgrades."""
    if _VERSION.fullmatch(value):
        return value
    raise ValueError(f"`{value}` is no exact version; write it in full, for example `v0.28.0`")


def positive_duration(value: str) -> str:
    """Check a lifetime in Go's notation or days; the text is kept as it was written."""
    if parse_duration(value) <= timedelta(0):
        raise ValueError(f"`{value}` is over before it begins; give a time above zero, for example `24h` or `90d`")
    return value


def duration(value: str) -> str:
    """Check a time that may be zero, in Go's notation or days; the text is kept as it was written."""
    parse_duration(value)
    return value


def username(value: str) -> str:
    """Check a user's name: what Headscale takes of identity providers, or an e-mail address; at most 253 characters.

    The rule is `ValidateUsername` of https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/util/dns.go: letters
    and digits of any script, `-`, `.`, `_` and one `@`, with a letter first. The API applies it on 0.26 alone (where a
    letter need not be first, and a digit must not); newer versions store what they are given, so that a digit first
    and `+` in an address are taken here. Names that differ in capitals are different users.
    """
    name = value.removesuffix("@")
    if name != value and _is_username(name):
        raise ValueError(f"`{value}` is how a policy writes the name; write `{name}` here")
    if len(value) <= 253 and (_is_username(value) or _USER_EMAIL.fullmatch(value)):  # noqa: PLR2004 - our limit
        return value
    raise ValueError(
        f"`{value}` is no user name: write letters, digits, `-`, `.`, `_` and at most one `@`, beginning with a letter "
        "or digit, as `alice`, `first.last` or `alice@example.com`"
    )


def _is_username(value: str) -> bool:
    """Return whether a name has Headscale's characters; `isalpha` and `isdecimal` are Go's `IsLetter` and `IsDigit`."""
    allowed = all(letter.isalpha() or letter.isdecimal() or letter in "-._@" for letter in value)
    return allowed and value[:1] not in {"", *"-._@"} and value.count("@") <= 1


def data_key(value: str) -> str:
    """Check under which name a value stands in a Secret (Kubernetes: letters, digits, `-`, `_` and `.`)."""
    is_name = re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", value) and value != "." and not value.startswith("..")
    if is_name and value not in {"expiration", "created-at"}:
        return value
    raise ValueError(
        f"`{value}` cannot name the key in a Secret: write letters, digits, `-`, `_` and `.`, as `TS_AUTHKEY`; "
        "`expiration` and `created-at` are taken"
    )


def secret_labels(values: Mapping[str, str]) -> Mapping[str, str]:
    """Check labels that people add to a Secret of ours (Kubernetes: values of at most 63 characters)."""
    for name, value in values.items():
        _not_ours(name, (NAME_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL))
        if not _QUALIFIED.fullmatch(name) or not re.fullmatch(
            r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?", value
        ):
            raise ValueError(f"`{name}: {value}` is no label: see Kubernetes' rules for labels, as `team: ci`")
    return values


def secret_annotations(values: Mapping[str, str]) -> Mapping[str, str]:
    """Check annotations that people add to a Secret of ours."""
    for name in values:
        _not_ours(name, ())
        if not _QUALIFIED.fullmatch(name):
            raise ValueError(f"`{name}` is no annotation: write letters, digits, `-`, `_`, `.`, with a prefix and `/`")
    return values


def _not_ours(name: str, taken: tuple[str, ...]) -> None:
    if name in taken or name.startswith(PREFIX):
        raise ValueError(f"`{name}` is written by this component itself; choose another name")


def numeric_id(value: object) -> object:
    """Take an id as number or text; ids travel as text, because numbers lose digits above 2^53 in the engine."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def adoption(value: object) -> object:
    """Check whether a user is adopted: yes, no, or the one of an id."""
    text = numeric_id(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(text, str) and re.fullmatch(r"[1-9][0-9]{0,18}", text):
        return user_id(text)
    raise ValueError("is `true`, `false`, or Headscale's id of the user, see `headscale users list`")


def user_id(value: str) -> str:
    """Check the id of a Headscale user."""
    if re.fullmatch(r"[1-9][0-9]{0,18}", value) and int(value) < _IDS_END:
        return value
    raise ValueError(f"`{value}` is no user id; Headscale's ids are whole numbers from 1, see `headscale users list`")


def tags(values: Iterable[str]) -> list[str]:
    """Check every tag of a list."""
    return [tag(value) for value in values]
