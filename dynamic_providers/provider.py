"""What the providers of all resources share: their channel, what they remember, and their checks."""

import gc
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, ConfigureRequest, ResourceProvider
from pulumi.output import Unknown

from dynamic_providers import failures
from dynamic_providers.admin.channel import Channel
from dynamic_providers.connection import settings_of

Props = dict[str, Any]
Rule = Callable[[Any], object]

_channels: dict[object, Channel] = {}
_channels_lock = threading.Lock()


_CALLS = ("configure", "check", "diff", "create", "read", "update", "delete")
_DROPPING = {"read": failures.drop_unreachable_on_read, "delete": failures.drop_unreachable_on_delete}


def _unchanged(call: failures.Call) -> failures.Call:
    return call


def _warn(text: str) -> None:
    pulumi.log.warn(text)


class HeadscaleProvider(ResourceProvider):
    """The base of the providers: without attributes in its pickle, so that this is short and never changes.

    What one call leaves for a later one is in the `RunJournal` of the channel.

    What a provider raises is shown to people as `failures` says; so the methods of every subclass are wrapped.
    """

    serialize_as_secret_always = False

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - Python's own
        """Wrap the methods that the SDK calls."""
        super().__init_subclass__(**options)
        for name in _CALLS:
            if call := cls.__dict__.get(name):
                setattr(cls, name, failures.with_user_facing_errors(_DROPPING.get(name, _unchanged)(call)))

    @failures.with_user_facing_errors
    def configure(self, req: ConfigureRequest) -> None:
        """Take the connection's settings; nothing is opened yet."""
        failures.show_one_line()
        # What was loaded stays until this process ends: it is not looked through for garbage again.
        gc.freeze()
        settings = settings_of(req.config)
        with _channels_lock:
            if settings not in _channels:
                _channels[settings] = Channel(settings, warn=_warn)
            self._channel = _channels[settings]

    @property
    def channel(self) -> Channel:
        """The channel to this resource's Headscale, shared by all resources of the process."""
        return self._channel

    @property
    def known(self) -> set[str]:
        """Ids of preauth keys that the state was seen to hold: a key with another id is an interrupted run's."""
        return self.channel.journal.keys_in_state


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
    """Return `database` where the state has another one than is declared: its objects are to be recreated."""
    return changed(("database",), olds, news) if olds.get("database") and news.get("database") else []


def keep_outputs(news: Props, olds: Props, names: tuple[str, ...]) -> Props:
    """Return the inputs with those outputs that an update leaves as they are."""
    return {**news, **{name: olds[name] for name in names if olds.get(name) is not None}}


def _plain(value: object) -> object:
    """Return a value in the form in which equal ones are equal: an absent one, an empty one and None are the same."""
    if isinstance(value, list | tuple):
        return sorted(map(str, value)) or None
    if isinstance(value, Mapping):
        return sorted((str(key), str(item)) for key, item in value.items()) or None
    return value or None
