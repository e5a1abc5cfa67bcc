"""How a failure reaches the person who runs Pulumi, and what a cluster that is gone means for what was in it.

The SDK shows `traceback.format_exc()` of whatever a provider raises, which obeys `sys.tracebacklimit`
(https://docs.python.org/3/library/sys.html#sys.tracebacklimit). What we raise ourselves is written for people, and is
shown as one line; anything else is a bug, and keeps its trace as a note.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import ReadResult

from dynamic_providers.errors import ClusterUnreachable, ProviderError, WrongCluster
from headscale_core.errors import HeadscaleError
from headscale_core.rollout.identity import identity_in
from headscale_core.rollout.rollout import InstanceLocation

if TYPE_CHECKING:
    from dynamic_providers.admin.channel import Channel

Call = Callable[..., Any]

DROP_VARIABLE = "PULUMI_K8S_DELETE_UNREACHABLE"
"""The Kubernetes provider's own: `true` says that a cluster which cannot be reached is gone for good
(https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/)."""

_FRAMES = 50
_EXPECTED = (ProviderError, HeadscaleError)
"""What is raised on purpose, with a message for people."""


class UserFacingError(ProviderError):
    """What a person is shown: one line, with what went wrong, where, and what to do."""

    # These two are what Python prints before the message.
    __module__ = "builtins"
    __qualname__ = "headscale"


def show_one_line() -> None:
    """Have this process, which is the provider's own, show errors without their traceback."""
    sys.tracebacklimit = 0


def with_user_facing_errors(call: Call) -> Call:
    """Return a provider's method that raises our errors as `UserFacingError`, and others with their trace as a note."""

    @functools.wraps(call)
    def wrapped(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the method takes and returns
        try:
            return call(*arguments, **options)
        except Exception as error:
            if isinstance(error, UserFacingError) or any(map(_is_trace, getattr(error, "__notes__", ()))):
                raise
            if not isinstance(error, _EXPECTED):
                error.add_note(traceback.format_exc(limit=_FRAMES))
                raise
            raise UserFacingError(" ".join(str(error).split())) from None

    return wrapped


def _is_trace(note: str) -> bool:
    return note.startswith("Traceback")


def drop_unreachable_on_read(read: Call) -> Call:
    """Return a `read` that drops a resource where `PULUMI_K8S_DELETE_UNREACHABLE` says that its cluster is gone."""

    @functools.wraps(read)
    def wrapped(provider: Any, id_: str, props: Any) -> ReadResult:  # noqa: ANN401 - any provider of ours
        try:
            _require_right_cluster(provider, id_, props)
            result: ReadResult = read(provider, id_, props)
            # Another resource may have shown meanwhile that this is another cluster.
            _require_right_cluster(provider, id_, props)
        except (ClusterUnreachable, WrongCluster) as error:
            _require_gone(provider.channel, error, id_, props)
            return ReadResult("", {})
        return result

    return wrapped


def drop_unreachable_on_delete(delete: Call) -> Call:
    """Return a `delete` that is done where `PULUMI_K8S_DELETE_UNREACHABLE` says that the cluster is gone."""

    @functools.wraps(delete)
    def wrapped(provider: Any, id_: str, props: Any) -> None:  # noqa: ANN401 - any provider of ours
        try:
            _require_right_cluster(provider, id_, props)
            delete(provider, id_, props)
        except (ClusterUnreachable, WrongCluster) as error:
            _require_gone(provider.channel, error, id_, props)

    return wrapped


def _require_right_cluster(provider: Any, id_: str, props: Mapping[str, Any]) -> None:  # noqa: ANN401 - any provider of ours
    """Check that the cluster is the one of the state, by what the state of this resource and of others knows."""
    channel: Channel | None = getattr(provider, "_channel", None)
    if channel is None or (channel.settings.channel == "direct" and not _is_in_cluster(props)):
        return
    identity, settings = channel.user_registry.identity, channel.settings
    # The id of a `Rollout` is that of the database.
    known = {**props, "database": id_} if "template" in props else props
    identity.expect(identity_in(known, InstanceLocation(settings.namespace, settings.instance)))
    identity.require()


def _is_in_cluster(props: Mapping[str, Any]) -> bool:
    """Return whether a resource is about objects in the cluster; what is inside a Headscale may be elsewhere."""
    return "template" in props or "cluster_id" in props


def _require_gone(
    channel: Channel, error: ClusterUnreachable | WrongCluster, id_: str, props: Mapping[str, Any]
) -> None:
    """Raise the error unless the cluster is gone, by the environment variable; one that has answered is not.

    A cluster that answers without the instance may be the same one, recreated; one that is known to be another is not.
    """
    if channel.settings.channel == "direct" and not _is_in_cluster(props):
        # The Headscale lives elsewhere, and so do its users and keys.
        raise error
    if channel.user_registry.identity.is_wrong or (
        isinstance(error, ClusterUnreachable) and channel.cluster.has_answered
    ):
        raise error
    if os.environ.get(DROP_VARIABLE) != "true":
        raise type(error)(f"{error}; if the cluster is gone for good, {DROP_VARIABLE}=true drops this from the state")
    pulumi.log.warn(f"{id_} is dropped from the state because {DROP_VARIABLE} is true: {error}")
