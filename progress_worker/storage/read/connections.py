"""The view's read-only connections to Postgres: limited in number, in time and in rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import ClauseElement

from progress_worker.errors import FatalError, TransientError
from progress_worker.settings.addresses import libpq_url
from progress_worker.storage.database import explain
from progress_worker.storage.read.pool import (
    ReadSession,
    SessionPool,
    with_a_fresh_session_if_stale,
)
from progress_worker.storage.read.prepared import PreparedStatements, Queries
from progress_worker.storage.sessions import PINNED, check_encoding, is_pooled, pin

_APPLICATION_NAME: Final = "progress-view"
_MILLISECONDS: Final = 1_000
_BEGIN_READ: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY, NOT DEFERRABLE"
_BEGIN_SNAPSHOT: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY, NOT DEFERRABLE"

_READ_ONLY: Final = {"default_transaction_read_only": "on"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, and how long each step may take, in seconds.

    `snapshot_seconds` is the limit of a whole snapshot, its reader's pauses included.
    """

    size: int
    wait_seconds: float
    connect_seconds: int
    statement_seconds: float
    snapshot_seconds: float = 0.0

    @property
    def read_seconds(self) -> float:
        """The longest that one read may take: wait, connect, run."""
        return self.wait_seconds + self.connect_seconds + self.statement_seconds


class Snapshot:
    """A transaction whose statements all see the same moment."""

    def __init__(self, session: ReadSession, queries: Queries, statement_seconds: float) -> None:
        self._session = session
        self._queries = queries
        self._statement_seconds = statement_seconds

    async def one(self, statement: ClauseElement, **parameters: object) -> Any:
        """The statement's only row, or None."""
        with _transient():
            async with asyncio.timeout(self._statement_seconds):
                cursor = self._session.cursor(binary=True, row_factory=namedtuple_row)
                query = self._queries[statement]
                await cursor.execute(query.text, query.values(parameters))
                return await cursor.fetchone()

    async def chunks(
        self, statement: ClauseElement, size: int, **parameters: object
    ) -> AsyncIterator[Sequence[Any]]:
        """The statement's rows in chunks, through a cursor on the server.

        The cursor ends with the last row, or with the transaction.
        """
        query = self._queries[statement]
        declare = b"DECLARE chunks NO SCROLL CURSOR FOR " + query.text
        with _transient():
            await self._session.execute(declare, query.values(parameters))
            cursor = self._session.cursor(binary=True, row_factory=namedtuple_row)
            fetch = f"FETCH FORWARD {size} FROM chunks".encode()
            while rows := await (await cursor.execute(fetch, prepare=False)).fetchall():
                yield rows
            await self._session.execute(b"CLOSE chunks")


class ReadConnections:
    """A pool of sessions that can only read.

    A session of Postgres itself has its settings for good, so a read is one statement. Behind a
    pooler nothing lives longer than a transaction: no setting, no lock and no prepared statement.
    So the pool works through a pooler in transaction mode as well as without one.

    Values come in binary form, whose meaning no date style changes.

    Connects on first use, never at construction. A call waits at most `limits.read_seconds`, and
    raises TransientError when Postgres is away, refuses, has no connection left or takes too long;
    the next call tries again, so nobody has to restart anything.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = libpq_url(url)
        self._limits = limits
        self._pool = SessionPool(self._open_session, limits.size, limits.wait_seconds)
        self._queries = Queries()

    async def one(self, statement: ClauseElement, **parameters: object) -> Any:
        """The statement's only row or None, in one round trip; behind a pooler in three."""
        query = self._queries[statement]

        async def read() -> Any:
            async with self._pool.session() as session:
                if session.prepared is not None:
                    return await session.prepared.one(query, parameters)
                await _begin(session, _BEGIN_READ)
                cursor = session.cursor(binary=True, row_factory=namedtuple_row)
                await cursor.execute(query.text, query.values(parameters))
                await session.execute("COMMIT")
                return await cursor.fetchone()

        with _transient():
            async with asyncio.timeout(self._limits.read_seconds):
                return await with_a_fresh_session_if_stale(read)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """A transaction whose statements all see the same moment.

        The server ends it after `limits.snapshot_seconds`.
        """
        with _transient():
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._limits.read_seconds):
                    session = await with_a_fresh_session_if_stale(
                        lambda: stack.enter_async_context(self._transaction())
                    )
                yield Snapshot(session, self._queries, self._limits.statement_seconds)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[ReadSession]:
        async with self._pool.session() as session:
            await _begin(session, _BEGIN_SNAPSHOT)
            yield session
            await session.execute("COMMIT")

    async def _open_session(self) -> ReadSession:
        limits = self._limits
        session = await ReadSession.connect(
            self._url,
            autocommit=True,
            application_name=_APPLICATION_NAME,
            client_encoding=PINNED["client_encoding"],
            connect_timeout=limits.connect_seconds,
            cursor_factory=psycopg.AsyncRawCursor,
            prepare_threshold=None,
            tcp_user_timeout=int(limits.read_seconds * _MILLISECONDS),
        )
        try:
            check_encoding(session.info)
            settings, version = _settings(limits), session.info.server_version
            session.transaction_settings = pin(settings, version).as_bytes(session)
            if not await is_pooled(session):
                await session.execute(pin(_READ_ONLY | settings, version, whole_session=True))
                session.prepared = PreparedStatements(session)
        except BaseException:
            await session.close()
            raise
        return session


async def _begin(session: ReadSession, begin: bytes) -> None:
    """Begin a transaction and set it up, in one round trip.

    Not in a pipeline: PgBouncer 1.18 sometimes leaves one unanswered while many clients wait.
    """
    await session.execute(begin + b"; " + session.transaction_settings, prepare=False)


def _settings(limits: Limits) -> dict[str, str]:
    """The limits as Postgres's settings. JIT would cost more than these small reads."""
    statement, snapshot = (
        str(int(seconds * _MILLISECONDS))
        for seconds in (limits.statement_seconds, limits.snapshot_seconds)
    )
    longest = snapshot if limits.snapshot_seconds else statement
    return {
        "statement_timeout": longest,
        "lock_timeout": statement,
        "idle_in_transaction_session_timeout": longest,
        "transaction_timeout": snapshot,
        "jit": "off",
    }


@contextmanager
def _transient() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TransientError("Postgres took too long.") from error
    except psycopg.Error as error:
        raise TransientError(f"Postgres: {explain(error)}") from error
    except FatalError as error:
        raise TransientError(str(error)) from error
