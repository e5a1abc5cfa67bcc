"""`tuning`: sizes and times of Headscale's insides; nobody needs them before having measured."""

from __future__ import annotations

from typing import Annotated

from headscale_component.spec.config.types import ConfigSection, GoDuration, Positive, PositiveGoDuration, Since, Until


class TuningConfig(ConfigSection):
    """`tuning`: not written unless something of it is said."""

    notifier_send_timeout: GoDuration | None = None
    """How long a node's channel may block an update. Headscale's own: 800ms."""

    batch_change_delay: GoDuration | None = None
    """How long changes are collected before nodes hear of them. Headscale's own: 800ms."""

    node_mapsession_buffered_chan_size: Positive | None = None
    """Updates that wait for one node. Headscale's own: 30."""

    batcher_workers: Annotated[Positive | None, Since((0, 27))] = None
    """Workers that send updates. Headscale's own: three quarters of the processors."""

    register_cache_cleanup: Annotated[
        GoDuration | None,
        Since((0, 27)),
        Until((0, 28), "ignores it silently", "`register_cache_max_entries`"),
    ] = None
    """How often logins that nobody ended are cleared. Headscale's own: 20m."""

    register_cache_expiration: Annotated[GoDuration | None, Since((0, 27))] = None
    """How long a login may take. Headscale's own: 15m."""

    register_cache_max_entries: Annotated[Positive | None, Since((0, 29))] = None
    """Most logins under way. Headscale's own: 1024."""

    node_store_batch_size: Annotated[Positive | None, Since((0, 28))] = None
    """Changes to nodes that are written together. Headscale's own: 100."""

    node_store_batch_timeout: Annotated[PositiveGoDuration | None, Since((0, 28))] = None
    """How long such changes wait for more; above 0. Headscale's own: 500ms."""
