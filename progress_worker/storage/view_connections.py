"""The view's read-only connections to Postgres: limited in number, in time and in rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from progress_worker.errors import TransientError

_APPLICATION_NAME: Final = "progress-view"
_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, and how long each step may take, in seconds."""

    size: int
    wait_seconds: float
    connect_seconds: int
    statement_seconds: float

    @property
    def read_seconds(self) -> float:
        """The longest that one read may take: wait, connect, run."""
        return self.wait_seconds + self.connect_seconds + self.statement_seconds


class ReadConnections:
    """A pool whose sessions can only read.

    Connects on first use, never at construction. A call waits at most `limits.read_seconds`, and
    raises TransientError when Postgres is away, has no connection left or takes too long; the
    next call tries again, so nobody has to restart anything.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
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

    async def one(self, statement: Executable, **parameters: object) -> Row[Any] | None:
        """The statement's only row, in one round trip; a stale connection is replaced once."""
        with _transient():
            async with asyncio.timeout(self._limits.read_seconds):
                try:
                    return await self._fetch(statement, parameters)
                except DBAPIError as error:
                    if not error.connection_invalidated:
                        raise
                    return await self._fetch(statement, parameters)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One connection in one transaction, whose statements all see the same moment."""
        with _transient():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def _fetch(self, statement: Executable, parameters: dict[str, object]) -> Row[Any] | None:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, parameters)).one_or_none()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        limits = self._limits
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            application_name=_APPLICATION_NAME,
            connect_timeout=limits.connect_seconds,
            # The view has a handful of statements: each is prepared when it is first run.
            prepare_threshold=0,
            tcp_user_timeout=int(limits.read_seconds * _MILLISECONDS),
            options=_session(limits),
        )
        try:
            # Not an option: an address that asks for a server that takes writes would find none.
            await connection.execute("SET default_transaction_read_only = on")
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        return connection


def _session(limits: Limits) -> str:
    """Settings of every session; without JIT, which costs more than these small reads."""
    milliseconds = int(limits.statement_seconds * _MILLISECONDS)
    settings = {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "timezone": "UTC",
        "jit": "off",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


@contextmanager
def _transient() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise TransientError("Every connection to Postgres is busy.") from error
    except TimeoutError as error:
        raise TransientError("Postgres took too long.") from error
    except (OperationalError, InterfaceError) as error:
        raise TransientError("Postgres is away or took too long.") from error
