"""Settings that every session of ours has, whatever the server, database, role or environment say.

Two settings are left to the operator on purpose: `search_path`, which says where the tables are,
and `default_transaction_read_only`, by which a database is closed to writers for a while.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from progress_worker.errors import FatalError, TransientError
from progress_worker.settings.addresses import libpq_url

_CONNECT_TIMEOUT_SECONDS: Final = 10
#: How PgBouncer refuses an address with `options`.
_REFUSED_BY_POOLER: Final = "unsupported startup parameter"
_POOLER: Final = (
    "The address leads to a connection pooler (such as PgBouncer), which breaks locks and settings "
    "of a session: give the worker, `migrate` and other commands the address of Postgres itself; "
    "only the view may use a pooler."
)
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")

#: What decides how values are read and written, what a transaction sees, and when a session ends.
PINNED: Final[Mapping[str, str]] = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # Then a policy that hides rows is an error. Otherwise it would look like a learner without
    # days.
    "row_security": "off",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}

#: The owner's work may take as long as it needs; only its waits for locks are limited.
_OWNER: Final[Mapping[str, str]] = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

# A server that does not know a setting, as PostgreSQL 16 does not know transaction_timeout, is not
# asked for it. An offset is committed after Postgres has said that its transaction is safe, so
# `synchronous_commit` may be anything but off.
_SET: Final[LiteralString] = """
SELECT set_config(name, value, false)
FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL
UNION ALL
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'
"""

_BACKEND: Final = "SELECT pg_backend_pid()"
#: The first PostgreSQL that has `transaction_timeout`.
_TRANSACTION_TIMEOUT_SINCE: Final = 170_000


async def prepare(connection: psycopg.AsyncConnection[Any], limits: Mapping[str, str]) -> None:
    """Give a new session the pinned settings and its own limits.

    Raises FatalError for a pooler and for a database that cannot hold every text, and
    psycopg.Error.
    """
    await check_direct(connection)
    check_encoding(connection.info)
    await connection.execute(_SET, _wanted(limits))
    await connection.commit()


def pin(
    limits: Mapping[str, str], server_version: int, *, whole_session: bool = False
) -> sql.Composed:
    """A statement that gives the pinned settings and these limits to the transaction it runs in.

    It leaves nothing behind in the session, which a pooler may give to others, unless it is for the
    `whole_session`. Connect with the pinned client encoding beside it: what a session says before
    is read by that.
    """
    # A limit that is running goes on unless it is reset first, as PINNED does.
    calls = (
        sql.SQL("set_config({}, {}, {})").format(
            sql.Literal(name), sql.Literal(value), sql.Literal(not whole_session)
        )
        for name, value in (*PINNED.items(), *limits.items())
        if name != "transaction_timeout" or server_version >= _TRANSACTION_TIMEOUT_SINCE
    )
    return sql.SQL("SELECT ") + sql.SQL(", ").join(calls)


def connect_owner(
    url: str, *, lock_timeout: str = "0", autocommit: bool = False
) -> psycopg.Connection[Any]:
    """A session of the role that owns the tables, with the pinned settings.

    Raises TransientError when Postgres cannot be reached, FatalError for a pooler and for a
    database that cannot hold every text, and psycopg.Error.
    """
    try:
        connection = psycopg.connect(
            libpq_url(url), autocommit=autocommit, connect_timeout=_CONNECT_TIMEOUT_SECONDS
        )
    except psycopg.Error as error:
        check_not_refused(error)
        raise TransientError(f"Postgres cannot be reached: {first_line(error)}") from error
    try:
        _check_backend(connection.info, connection.execute(_BACKEND).fetchone())
        check_encoding(connection.info)
        connection.execute(_SET, _wanted({**_OWNER, "lock_timeout": lock_timeout}))
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


async def check_direct(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raises FatalError, with the cure, if a pooler is between us and Postgres."""
    _check_backend(connection.info, await (await connection.execute(_BACKEND)).fetchone())


async def is_pooled(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether a pooler is between us and Postgres."""
    return _is_pooled(connection.info, await (await connection.execute(_BACKEND)).fetchone())


def check_not_refused(error: psycopg.Error) -> None:
    """Raises FatalError, with the cure, if a pooler refused what the address asks for."""
    if _REFUSED_BY_POOLER in str(error):
        raise FatalError(_POOLER) from error


def _check_backend(info: psycopg.ConnectionInfo, backend: Any) -> None:
    if _is_pooled(info, backend):
        raise FatalError(_POOLER)


def _is_pooled(info: psycopg.ConnectionInfo, backend: Any) -> bool:
    """Whether the server that answers is not the one that the session was opened with.

    Postgres sends the id of its process when a session begins. A pooler sends a number of its own
    instead, whichever server it passes statements to later.
    """
    return bool(backend[0] != info.backend_pid)


def check_encoding(info: psycopg.ConnectionInfo) -> None:
    """Raises FatalError, with the cure, for a database that cannot hold every text."""
    encoding = info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise FatalError(
            f"The database {info.dbname} has the encoding {encoding} and cannot store every text: "
            "use a database that was created with ENCODING 'UTF8' TEMPLATE template0."
        )


def first_line(error: BaseException) -> str:
    """The text of a failure to connect: host, user and reason, never a password or a value."""
    cause = getattr(error, "orig", None) or error
    line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return _ERRNO.sub("", line)


def _wanted(limits: Mapping[str, str]) -> list[list[str]]:
    settings = {**PINNED, **limits}
    return [list(settings), list(settings.values())]
