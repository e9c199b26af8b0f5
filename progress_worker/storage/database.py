"""Connections to Postgres with a limit on every wait, and the meaning of its errors."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, cast

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from progress_worker.errors import (
    FatalError,
    LockedError,
    PoisonError,
    Reason,
    TooSlowError,
    TransientError,
)
from progress_worker.settings.addresses import libpq_url
from progress_worker.storage import sessions
from progress_worker.storage.droppable import DroppableConnection
from progress_worker.storage.schema.revisions import head_revision
from progress_worker.storage.sessions import first_line

Connection = psycopg.AsyncConnection[Any]

#: Every statement of ours reads by primary key. Statistics of a young or fast-growing table may
#: mislead the planner. So plans that read a whole table are made expensive, and no statement is
#: planned again for its values.
_PLANNER: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}

_FIND_REVISIONS: Final = (
    "SELECT to_regclass('alembic_version') IS NOT NULL, current_setting('search_path')"
)
#: Errors about the prepared statements of a session; a session that failed is not used again.
_OF_ONE_SESSION: Final = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
)
#: The function of Postgres that says "cached plan must not change result type". The SQLSTATE of
#: that error only says that a feature is not supported.
_STALE_PLAN: Final = "RevalidateCachedQuery"


def create_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int,
    connect_timeout_seconds: float,
    statement_timeout_seconds: float,
) -> AsyncEngine:
    """A pool whose connections end every statement, lock and idle transaction in time."""
    limit = int(statement_timeout_seconds * 1000)
    timeouts = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    limits = {**_PLANNER, **dict.fromkeys(timeouts, str(limit))}

    async def open_session() -> Connection:
        try:
            connection: Connection = await DroppableConnection.connect(
                libpq_url(url),
                application_name=application_name,
                connect_timeout=max(1, int(connect_timeout_seconds)),
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=limit,
            )
        except psycopg.OperationalError as error:
            sessions.check_not_refused(error)
            raise
        try:
            await sessions.prepare(connection, limits)
        except BaseException:
            await connection.close()
            raise
        return connection

    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=open_session,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=connect_timeout_seconds + statement_timeout_seconds,
    )


@asynccontextmanager
async def connect(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A connection of the pool as psycopg's own, for statements that SQLAlchemy only wraps.

    Raises TransientError when none is free in time. A connection on which anything failed is thrown
    away rather than returned.
    """
    pooled = engine.connect()
    try:
        await pooled.start()
    except PoolTimeoutError as error:
        raise TransientError("Every connection to Postgres is busy.") from error
    except (DBAPIError, psycopg.Error, OSError) as error:
        raise TransientError(f"Postgres cannot be reached: {first_line(error)}") from error
    try:
        yield cast(Connection, (await pooled.get_raw_connection()).driver_connection)
    except BaseException:
        await pooled.invalidate()
        raise
    finally:
        await pooled.close()


@asynccontextmanager
async def autocommitting(connection: Connection) -> AsyncIterator[Connection]:
    """The connection, with each statement a transaction of its own and no BEGIN or COMMIT."""
    await connection.set_autocommit(True)
    yield connection
    await connection.set_autocommit(False)  # one that failed is thrown away


@asynccontextmanager
async def connect_for(engine: AsyncEngine, seconds: float | None) -> AsyncIterator[Connection]:
    """The same for work that may take `seconds`; psycopg's errors are translated to ours.

    With None the work has a time limit of its own, whose TimeoutError is translated too. Raises
    TransientError, PoisonError or FatalError: see `translate`.
    """
    try:
        async with asyncio.timeout(seconds), connect(engine) as connection:
            yield connection
    except psycopg.Error as error:
        raise translate(error) from error
    except TimeoutError as error:
        raise TooSlowError("Postgres did not answer in time") from error


def translate(error: psycopg.Error) -> TransientError | PoisonError | FatalError:
    """What a database error means for the work in hand.

    A value or a constraint that Postgres refuses is the record's own fault. A missing table or
    privilege is the deployment's fault, and waiting does not mend it. Everything else (connection,
    deadlock, serialization, time limit, disk full, read-only) may pass, and so may what a new
    connection mends.
    """
    if is_mended_by_reconnecting(error):
        return TransientError(f"Postgres: {describe(error)}")
    if isinstance(error, psycopg.errors.DataError | psycopg.errors.IntegrityError):
        return PoisonError(Reason.REJECTED_BY_DATABASE, describe(error))
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return FatalError(
            f"The database lacks a table or a column of this release ({describe(error)}): run "
            "`progress-worker migrate`."
        )
    if isinstance(error, psycopg.errors.ProgrammingError | psycopg.errors.NotSupportedError):
        return FatalError(f"Postgres refuses a statement of this release: {describe(error)}")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return TooSlowError(f"Postgres: {describe(error)}")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return LockedError(f"Postgres: {describe(error)}")
    return TransientError(f"Postgres: {describe(error)}")


@contextmanager
def values_refused() -> Iterator[None]:
    """Treat a value that cannot even be sent as one that Postgres refuses.

    Raises PoisonError where the driver raises an error that is not psycopg's, for example for a
    text that UTF-8 cannot encode.
    """
    try:
        yield
    except (ValueError, OverflowError, struct.error) as error:
        raise PoisonError(Reason.REJECTED_BY_DATABASE, type(error).__name__) from error


def is_mended_by_reconnecting(error: psycopg.Error) -> bool:
    """Whether a prepared statement is missing, exists already, or reads a changed table."""
    return isinstance(error, _OF_ONE_SESSION) or error.diag.source_function == _STALE_PLAN


def describe(error: BaseException) -> str:
    """An error's class, SQLSTATE and constraint; never its text, which may quote values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    parts = [type(cause).__name__]
    if isinstance(cause, psycopg.Error):
        parts += [part for part in (cause.sqlstate, cause.diag.constraint_name) if part]
    return " ".join(parts)


def explain(error: psycopg.Error) -> str:
    """What Postgres says; only the error's kind where its text may quote values."""
    if isinstance(error, psycopg.errors.DataError | psycopg.errors.IntegrityError):
        return describe(error)
    return first_line(error)


async def check_migrated(connection: Connection) -> None:
    """Raises FatalError, with the command that mends it, unless the schema is this release's."""
    needed = head_revision()
    schema = await (await connection.execute(_FIND_REVISIONS)).fetchone()
    if schema is None or not schema[0]:
        raise FatalError(
            f"The database {connection.info.dbname} has no tables of ours in the schemas of its "
            f"search_path ({schema[1] if schema else ''}): run `progress-worker migrate`, or give "
            "this address the search_path that the migration had."
        )
    row = await (await connection.execute("SELECT version_num FROM alembic_version")).fetchone()
    if row is None or row[0] < needed:
        raise FatalError(
            f"The database is at revision {row[0] if row else 'none'} and this release needs "
            f"{needed}: run `progress-worker migrate`."
        )
