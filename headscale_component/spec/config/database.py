"""`database`: where Headscale keeps users, nodes, keys and the policy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, WithJsonSchema

from headscale_component.spec.config.references import DsnWordOrReference, PositiveOrReference, SecretValue
from headscale_component.spec.config.types import (
    DATA_DIRECTORY,
    ConfigSection,
    FilePath,
    Flag,
    Number,
    Positive,
    UpstreamDefault,
)
from headscale_component.spec.model import OrOutput


def _checkpoint(pages: int) -> int:
    if pages >= -1:
        return pages
    raise ValueError(f"{pages} is below -1; 0 switches checkpoints off and lets the log grow, 1000 is usual")


def _without_fallback(mode: object) -> object:
    if mode is not True:
        return mode
    raise ValueError("`true` falls back to clear text where the server has no TLS; write `require` or `verify-full`")


def _sqlite_for_sqlite3(kind: object) -> object:
    """Take Headscale's other word too (`databaseConfig` in `hscontrol/types/config.go`)."""
    return "sqlite" if kind == "sqlite3" else kind


class GormConfig(ConfigSection):
    """`database.gorm`: GORM, the library between Headscale and either database (https://gorm.io)."""

    prepare_stmt: Flag = False
    """Whether statements are prepared once and used again; SQLite only. Headscale has one connection to SQLite, and
    with this two calls at once can wait for each other for ever (seen on 0.29.1): leave it off."""

    parameterized_queries: Annotated[Flag, UpstreamDefault("false")] = True
    """Whether logged queries leave out their values."""

    skip_err_record_not_found: Annotated[Flag, UpstreamDefault("false")] = True
    """Whether "record not found" stays out of the log."""

    slow_threshold: Annotated[Number, UpstreamDefault("0")] = 1000
    """From how many milliseconds on a query is logged as slow; a whole number, no duration."""


class SqliteConfig(ConfigSection):
    """`database.sqlite`: the database in a file on the volume."""

    path: Annotated[FilePath, UpstreamDefault("none, and then it does not start")] = f"{DATA_DIRECTORY}/db.sqlite"
    """Absolute path of the database file in the pod. Keep it on the volume, below `/var/lib/headscale`: anywhere else
    it is lost with the pod, and all users, nodes and keys with it. Used with `database.type: sqlite`."""

    write_ahead_log: Literal[True] = True
    """Write-ahead logging. `false` has no effect in Headscale, so it cannot be said."""

    wal_autocheckpoint: OrOutput[Annotated[StrictInt, AfterValidator(_checkpoint)]] = 1000
    """After how many pages the log goes into the database; -1 is SQLite's default, 0 never."""


class PostgresConfig(ConfigSection):
    """`database.postgres`: kept by Headscale for old installations; new ones use SQLite.

    What a platform keeps in a Secret, such as a generated user, is given as `{secretKeyRef: {name: …, key: …}}`. The
    value in the Secret has to keep the rule of its key; it is first read when Headscale starts.
    """

    host: DsnWordOrReference
    """Host name, address, or the folder of a socket; or a `secretKeyRef`."""

    port: PositiveOrReference = 5432
    """TCP port on which the PostgreSQL server listens, 1 to 65535; or a `secretKeyRef`."""

    name: DsnWordOrReference
    """Name of the database on that server, or a `secretKeyRef`; text without spaces, quotes and backslashes. It has to
    exist before Headscale starts, which creates the tables in it and not the database itself."""

    user: DsnWordOrReference
    """PostgreSQL role that Headscale logs in as, or a `secretKeyRef`; text without spaces, quotes and backslashes. It
    creates the tables and owns them, so it needs the right CREATE in the database's schema
    (https://www.postgresql.org/docs/current/ddl-priv.html)."""

    pass_: Annotated[SecretValue | None, Field(alias="pass")] = None
    """The role's password."""

    ssl: OrOutput[
        Annotated[Literal["disable", "require", "verify-ca", "verify-full", False], BeforeValidator(_without_fallback)]
    ] = "require"
    """How the connection is protected, as PostgreSQL's `sslmode`. Headscale reads `true` as "prefer", which falls back
    to clear text, so `true` is refused; `false` is `disable`."""

    max_open_conns: Positive = 10
    """Most connections at a time."""

    max_idle_conns: Positive = 10
    """How many connections may stay open while no query uses them; a whole number. `max_open_conns` is the upper limit
    of both kinds together (https://pkg.go.dev/database/sql#DB.SetMaxIdleConns)."""

    conn_max_idle_time_secs: Positive = 3600
    """Seconds after which an idle connection is closed."""


class DatabaseConfig(ConfigSection):
    """`database`: SQLite on the volume, or PostgreSQL."""

    type: Annotated[
        Literal["sqlite", "postgres"],
        BeforeValidator(_sqlite_for_sqlite3),
        WithJsonSchema({"anyOf": [{"enum": ["sqlite", "postgres"]}, {"const": "sqlite3", "deprecated": True}]}),
        UpstreamDefault("none, and then it does not start"),
    ] = "sqlite"
    """Headscale's developers advise SQLite; `sqlite3` is Headscale's other word for it."""

    debug: Flag = False
    """Whether queries are logged, with `log.level: debug` or `trace`."""

    gorm: GormConfig = GormConfig()
    """How queries are prepared and logged, by settings of GORM, the library between Headscale and the database
    (https://gorm.io)."""

    sqlite: SqliteConfig | None = None
    """Where the database file is, and after how many pages its write-ahead log is merged into it; used with
    `type: sqlite`. Default: a file on the volume."""

    postgres: PostgresConfig | None = None
    """How the server is reached; required with `type: postgres`."""
