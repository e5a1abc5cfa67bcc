"""What the providers of all resources share: their channel, what they remember, and their checks."""

from collections.abc import Callable, Mapping
from typing import Any

from pulumi.dynamic import CheckFailure, CheckResult, ConfigureRequest, ResourceProvider
from pulumi.output import Unknown

from dynamic_providers.channel import Channel
from dynamic_providers.connection import settings_of

Props = dict[str, Any]
Rule = Callable[[Any], object]

_channels: dict[object, Channel] = {}


class HeadscaleProvider(ResourceProvider):
    """The base of the providers: stateless, so that its pickle is short and never changes."""

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        """Take the connection's settings; nothing is opened yet."""
        settings = settings_of(req.config)
        self._channel = _channels.setdefault(settings, Channel(settings))
        self._known: set[str] = set()

    @property
    def channel(self) -> Channel:
        """The channel to this resource's Headscale, shared by all resources of the process."""
        return self._channel

    @property
    def known(self) -> set[str]:
        """Ids that the state was seen to hold: what has another id is an interrupted run's."""
        return self._known


def checked(news: Props, rules: Mapping[str, Rule]) -> CheckResult:
    """Check what is known of the inputs, leaving the rest as it is.

    Args:
        news: The inputs; values that are not known yet are `Unknown`.
        rules: For each input, what raises ValueError with the rule and the remedy.
    """
    failures = []
    for name, rule in rules.items():
        value = news.get(name)
        if value is None or isinstance(value, Unknown):
            continue
        try:
            rule(value)
        except ValueError as error:
            failures.append(CheckFailure(name, str(error)))
    return CheckResult(news, failures)


def changed(names: tuple[str, ...], olds: Props, news: Props) -> list[str]:
    """Return the declared fields that differ; nothing else is ever compared."""
    return [name for name in names if _plain(olds.get(name)) != _plain(news.get(name))]


def another_database(olds: Props, news: Props) -> list[str]:
    """Return `database` where the state speaks of another one than is declared: what was in that is to be made anew."""
    return changed(("database",), olds, news) if olds.get("database") else []


def carried(news: Props, olds: Props, names: tuple[str, ...]) -> Props:
    """Return the inputs with those outputs that an update leaves as they are."""
    return {**news, **{name: olds[name] for name in names if olds.get(name) is not None}}


def _plain(value: object) -> object:
    """Return a value in the form in which equal ones are equal: an absent one, an empty one and None are the same."""
    if isinstance(value, list | tuple):
        return sorted(map(str, value)) or None
    if isinstance(value, Mapping):
        return sorted((str(key), str(its)) for key, its in value.items()) or None
    return value or None
