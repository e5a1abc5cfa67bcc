"""Versions of Headscale, and in which of them a feature is there: each bound is typed once, here.

The keys of Headscale's configuration have their bounds on their models (`Since`, `Until`), beside what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)(?![0-9])")


class HeadscaleVersion(NamedTuple):
    """A minor version of Headscale, such as 0.28, which is what its features and its database go by.

    Versions are ordered, and equal to the tuple of their two numbers. Patch level and pre-release are dropped:
    `v0.29.0-beta.1` reads the configuration of 0.29 and writes its database, and Headscale's own check of upgrades
    drops them too (`parseVersion` in
    https://github.com/juanfont/headscale/blob/main/hscontrol/db/versioncheck.go).

    Attributes:
        major: The first number.
        minor: The second number.
    """

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> HeadscaleVersion:
        """Return the minor version of a text such as `v0.28.0`, `0.28.0`, `v0.29.0-beta.1` or `0.28`.

        Raises:
            ValueError: When the text does not begin with two numbers, as `latest`.
        """
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"`{text}` is no version of Headscale; write for example `v0.28.0`")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def parse_or_none(cls, text: str | None) -> HeadscaleVersion | None:
        """Return the minor version of a text, None where it has none or there is no text."""
        try:
            return cls.parse(text or "")
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Feature:
    """In which versions something is there.

    Attributes:
        since: The first minor version that has it; None for all that are supported.
        until: The last minor version that has it; None for no known end.
    """

    since: HeadscaleVersion | None = None
    until: HeadscaleVersion | None = None

    @property
    def first(self) -> HeadscaleVersion:
        """The first minor version that has it, the oldest that is supported where `since` is None."""
        return self.since or OLDEST_HEADSCALE

    def is_in(self, version: HeadscaleVersion | tuple[int, int]) -> bool:
        """Return whether a version has it."""
        return (self.since is None or version >= self.since) and (self.until is None or version <= self.until)


_V0_26, _V0_27, _V0_28, _V0_29 = (HeadscaleVersion(0, minor) for minor in (26, 27, 28, 29))

OLDEST_HEADSCALE = _V0_26
"""The first version whose API the client knows (see `headscale_core.client`)."""

NEWEST_HEADSCALE = _V0_29
"""The last version that was there when this was written."""

UNRELEASED_HEADSCALE = HeadscaleVersion(0, 30)
"""What a development build counts as: newer than all releases."""

GRPC = Feature(until=_V0_29)
"""The gRPC API, on the unix socket and on `grpc_listen_addr`. 0.30 removes it: `CHANGELOG.md`, 0.30,
https://github.com/juanfont/headscale/blob/main/CHANGELOG.md."""

REST = Feature(since=_V0_28)
"""The REST API with the paths and the JSON that the client speaks:
https://github.com/juanfont/headscale/blob/v0.28.0/proto/headscale/v1/headscale.proto."""

HEALTH_CALL = Feature(since=_V0_27)
"""The call `Health`, over gRPC and as `/api/v1/health` (proto/headscale/v1/headscale.proto)."""

KEY_IDS = Feature(since=_V0_28)
"""Preauth keys are listed, expired and deleted by an id of their own; older versions name them by user and text, and
cannot delete them (proto/headscale/v1/preauthkey.proto)."""

TAGS_ONLY_KEYS = Feature(since=_V0_28)
"""Preauth keys and nodes that belong to tags and to no user: `CHANGELOG.md`, 0.28, "Tags as identity"."""

WIPES_ALL_KEYS_ON_USER_DELETION = Feature(since=_V0_28, until=_V0_28)
"""Deleting any user deletes the preauth keys of all: https://github.com/juanfont/headscale/issues/3154, fixed in
0.29. `headscale_core.keys.recovery` can go when 0.28 is not supported any more."""

POLICY_CHECK = Feature(since=_V0_29)
"""The call `CheckPolicy`, which checks a policy and its tests without storing it (proto/headscale/v1/policy.proto)."""

POLICY_GRANTS = Feature(since=_V0_29)
"""The policy sections `grants`, `nodeAttrs`, `tests`, `sshTests` and `randomizeClientPort`: `CHANGELOG.md`, 0.29."""

UNIQUE_NAMES_IN_POLICY = Feature(since=_V0_29)
"""A policy that names a user by a name or an address that two users have is refused: `CHANGELOG.md`, 0.29."""

CHECKS_USER_NAMES = Feature(until=_V0_26)
"""The API refuses names of users of one character, with a digit first, or with other characters than letters, digits,
`-`, `.`, `_` and one `@`: `ValidateUsername` in
https://github.com/juanfont/headscale/blob/v0.26.1/hscontrol/util/dns.go; `State.CreateUser` of 0.27 checks nothing."""

METRICS_CAN_BE_OFF = Feature(since=_V0_28)
"""An empty `metrics_listen_addr` turns the metrics off."""

NODE_SECTION = Feature(since=_V0_29)
"""The configuration section `node`, with `node.ephemeral.inactivity_timeout` for
`ephemeral_node_inactivity_timeout`."""

ONE_MINOR_AT_A_TIME = Feature(since=_V0_29)
"""Headscale refuses to start where a minor version was skipped, or with an older one than ran last
(`checkVersionUpgradePath` in https://github.com/juanfont/headscale/blob/main/hscontrol/db/versioncheck.go)."""
