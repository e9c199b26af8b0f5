"""The view's sessions in Postgres: a few that are kept open, and what a failed one means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg

from progress_worker.errors import TransientError
from progress_worker.storage.database import is_mended_by_reconnecting
from progress_worker.storage.droppable import DroppableConnection
from progress_worker.storage.read.prepared import PreparedStatements
from progress_worker.storage.sessions import first_line

_Result = TypeVar("_Result")


class ReadSession(DroppableConnection):
    """A session that can only read.

    `transaction_settings` is the statement that sets a transaction up. A session of Postgres itself
    has those settings for good and keeps `prepared` statements. A session of a pooler is shared
    with others and keeps nothing. `answered` says whether a read ever succeeded.
    """

    transaction_settings: bytes
    prepared: PreparedStatements | None = None
    answered: bool = False


class StaleSessionError(TransientError):
    """A session that had answered before was lost while nobody used it."""


class SessionPool:
    """At most `size` sessions. They are opened when they are needed, never before.

    The session that was used last is used first. One on which anything failed is closed.
    """

    def __init__(
        self, open_session: Callable[[], Awaitable[ReadSession]], size: int, wait_seconds: float
    ) -> None:
        self._open_session = open_session
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(size)
        self._idle: list[ReadSession] = []
        self._closed = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ReadSession]:
        """A session for the caller alone.

        Raises TransientError when none is free in time or Postgres cannot be reached, and
        StaleSessionError when the session was lost before it was used.
        """
        await self._wait_for_place()
        try:
            session = self._idle.pop() if self._idle else await self._open()
            try:
                # Read what has arrived: if the session was closed meanwhile, its end.
                session.pgconn.consume_input()
                yield session
            except BaseException as error:
                stale = _is_stale(session, error)
                await session.close()
                if stale:
                    raise StaleSessionError("Postgres closed the connection.") from error
                raise
            session.answered = True
            if self._closed:
                await session.close()
            else:
                self._idle.append(session)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Close every session; those in use when they are given back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    async def _wait_for_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise TransientError("Every connection to Postgres is busy.") from error

    async def _open(self) -> ReadSession:
        try:
            return await self._open_session()
        except (psycopg.Error, OSError) as error:
            raise TransientError(f"Postgres cannot be reached: {first_line(error)}") from error


def _is_stale(session: ReadSession, error: BaseException) -> bool:
    """Whether the session was lost, or its prepared statements are outdated."""
    if not session.answered or not isinstance(error, psycopg.Error):
        return False
    return session.closed or is_mended_by_reconnecting(error)


async def with_a_fresh_session_if_stale(action: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return what the action returns; each stale session of the pool costs one more try."""
    while True:
        try:
            return await action()
        except StaleSessionError:
            continue
