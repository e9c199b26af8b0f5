"""The view's read-only connections to Postgres: limited in number, in time and in rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row
from sqlalchemy import ClauseElement
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from progress_worker.errors import FatalError, TransientError
from progress_worker.settings.addresses import libpq_url
from progress_worker.storage.database import connect, explain, is_mended_by_reconnecting
from progress_worker.storage.droppable import DroppableConnection
from progress_worker.storage.sessions import (
    PINNED,
    check_encoding,
    is_pooled,
    pin_transaction,
)

_APPLICATION_NAME: Final = "progress-view"
_MILLISECONDS: Final = 1_000
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY, NOT DEFERRABLE"
_BEGIN_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY, NOT DEFERRABLE"

_Result = TypeVar("_Result")


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


class _StaleConnectionError(TransientError):
    """A connection that had answered before was lost while it lay in the pool."""


class _Session(DroppableConnection):
    """A connection, the statement that sets its transactions up, and whether it ever answered."""

    settings: bytes
    answered: bool = False


class Snapshot:
    """A transaction whose statements all see the same moment."""

    def __init__(self, session: _Session, compiled: _Compiler, statement_seconds: float) -> None:
        self._session = session
        self._compiled = compiled
        self._statement_seconds = statement_seconds

    async def one(self, statement: ClauseElement, **parameters: object) -> Any:
        """The statement's only row, or None."""
        with _transient():
            async with asyncio.timeout(self._statement_seconds):
                cursor = self._session.cursor(binary=True, row_factory=namedtuple_row)
                await cursor.execute(*self._compiled(statement, parameters))
                return await cursor.fetchone()

    async def chunks(
        self, statement: ClauseElement, size: int, **parameters: object
    ) -> AsyncIterator[Sequence[Any]]:
        """The statement's rows in chunks, through a cursor on the server.

        The cursor ends with the transaction.
        """
        query, values = self._compiled(statement, parameters)
        with _transient():
            await self._session.execute(b"DECLARE chunks NO SCROLL CURSOR FOR " + query, values)
            cursor = self._session.cursor(binary=True, row_factory=namedtuple_row)
            fetch = f"FETCH FORWARD {size} FROM chunks".encode()
            while rows := await (await cursor.execute(fetch, prepare=False)).fetchall():
                yield rows


class ReadConnections:
    """A pool of connections whose transactions can only read.

    Nothing lives longer than a transaction: no setting, no lock, and behind a pooler no prepared
    statement. So the pool works through a pooler in transaction mode as well as without one.

    Values come in binary form, whose meaning no date style changes.

    Connects on first use, never at construction. A call waits at most `limits.read_seconds`, and
    raises TransientError when Postgres is away, refuses, has no connection left or takes too long;
    the next call tries again, so nobody has to restart anything.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = libpq_url(url)
        self._limits = limits
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._connect,
            isolation_level="AUTOCOMMIT",
            pool_size=limits.size,
            max_overflow=0,
            pool_timeout=limits.wait_seconds,
            use_native_hstore=False,
            hide_parameters=True,
        )
        self._compiled = _Compiler(self._engine)

    async def one(self, statement: ClauseElement, **parameters: object) -> Any:
        """The statement's only row or None, in a transaction of its own and one round trip."""
        query, values = self._compiled(statement, parameters)

        async def read() -> Any:
            async with self._session() as session:
                cursor = session.cursor(binary=True, row_factory=namedtuple_row)
                async with session.pipeline():
                    await session.execute(_BEGIN_READ)
                    await session.execute(session.settings)
                    await cursor.execute(query, values)
                    await session.execute("COMMIT")
                return await cursor.fetchone()

        with _transient():
            async with asyncio.timeout(self._limits.read_seconds):
                return await _with_a_fresh_connection_if_stale(read)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """A transaction whose statements all see the same moment.

        The server ends it after `limits.snapshot_seconds`.
        """
        with _transient():
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._limits.read_seconds):
                    session = await _with_a_fresh_connection_if_stale(
                        lambda: stack.enter_async_context(self._transaction())
                    )
                yield Snapshot(session, self._compiled, self._limits.statement_seconds)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_Session]:
        async with self._session() as session:
            async with session.pipeline():
                await session.execute(_BEGIN_SNAPSHOT)
                await session.execute(session.settings)
            yield session
            await session.execute("COMMIT")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[_Session]:
        async with connect(self._engine) as connection:
            session = cast(_Session, connection)
            used = session.answered
            try:
                # Read what has arrived: if the connection was closed meanwhile, its end.
                session.pgconn.consume_input()
                yield session
            except psycopg.Error as error:
                if used and (session.closed or is_mended_by_reconnecting(error)):
                    raise _StaleConnectionError("Postgres closed the connection.") from error
                raise
            session.answered = True

    async def _connect(self) -> _Session:
        limits = self._limits
        session = await _Session.connect(
            self._url,
            autocommit=True,
            application_name=_APPLICATION_NAME,
            client_encoding=PINNED["client_encoding"],
            connect_timeout=limits.connect_seconds,
            prepare_threshold=None,
            tcp_user_timeout=int(limits.read_seconds * _MILLISECONDS),
        )
        try:
            check_encoding(session.info)
            settings = _settings(limits, session.info.server_version)
            session.settings = settings.as_bytes(session)
            if not await is_pooled(session):
                # The view has a handful of statements: each is prepared when it is first run.
                session.prepare_threshold = 0
        except BaseException:
            await session.close()
            raise
        return session


class _Compiler:
    """Turns SQLAlchemy's statements into psycopg's, each once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._dialect = engine.dialect
        self._done: dict[ClauseElement, tuple[bytes, dict[str, Any]]] = {}

    def __call__(
        self, statement: ClauseElement, parameters: dict[str, object]
    ) -> tuple[bytes, dict[str, object]]:
        """The statement's text and all its parameters."""
        if statement not in self._done:
            compiled = statement.compile(dialect=self._dialect)
            self._done[statement] = str(compiled).encode(), dict(compiled.params)
        query, fixed = self._done[statement]
        return query, fixed | parameters


def _settings(limits: Limits, server_version: int) -> sql.Composed:
    """The statement that sets a transaction up. JIT would cost more than these small reads."""
    statement, snapshot = (
        str(int(seconds * _MILLISECONDS))
        for seconds in (limits.statement_seconds, limits.snapshot_seconds)
    )
    longest = snapshot if limits.snapshot_seconds else statement
    settings = {
        "statement_timeout": longest,
        "lock_timeout": statement,
        "idle_in_transaction_session_timeout": longest,
        "transaction_timeout": snapshot,
        "jit": "off",
    }
    return pin_transaction(settings, server_version)


async def _with_a_fresh_connection_if_stale(action: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return what the action returns; each stale connection of the pool costs one more try."""
    while True:
        try:
            return await action()
        except _StaleConnectionError:
            continue


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
