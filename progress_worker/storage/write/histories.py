"""Reads all of a learner's completions, a few at a time, within a limit that fits their number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.completion import Completion
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rows import COMPLETION
from progress_worker.storage.write.arrays import array

#: Deriving a learner takes 20 µs a completion, so the event loop waits 10 ms for one portion.
_PORTION: Final = 500
#: The time limit is granted once, and once more for each of so many completions.
_COMPLETIONS_PER_LIMIT: Final = 10_000
_SIZE: Final = "SELECT count(*) FROM completion WHERE user_id = ANY(%s::text[])"
_LIMIT: Final = "SELECT set_config('statement_timeout', %s, true)"
_COMPLETIONS: Final = f"{COMPLETION.select_of_learners} AND NOT revoked"
_HISTORY: Final = f"{_COMPLETIONS} ORDER BY completed_at, event_id"


@asynccontextmanager
async def connect_for_histories(
    engine: AsyncEngine, users: Sequence[str], seconds: float
) -> AsyncIterator[Connection]:
    """A connection for work on all completions of these learners, as one transaction.

    `seconds` is the time limit without completions. Raises what `connect_for` raises.
    """
    async with connect_for(engine, None) as connection, asyncio.timeout(seconds) as deadline:
        row = await (await connection.execute(_SIZE, [array(users)])).fetchone()
        limit = seconds * (1 + (row[0] if row else 0) / _COMPLETIONS_PER_LIMIT)
        await connection.execute(_LIMIT, [f"{limit * 1000:.0f}"])
        deadline.reschedule(asyncio.get_running_loop().time() + limit)
        yield connection


async def history(connection: Connection, user_id: str) -> AsyncIterator[Completion]:
    """The learner's completions that count, oldest first."""
    async for completion in _stream(connection, _HISTORY, [user_id]):
        yield completion


async def completions(connection: Connection, users: Sequence[str]) -> AsyncIterator[Completion]:
    """The completions of these learners that count, in any order."""
    async for completion in _stream(connection, _COMPLETIONS, users):
        yield completion


async def _stream(
    connection: Connection, statement: str, users: Sequence[str]
) -> AsyncIterator[Completion]:
    """The answer in constant memory; other tasks run whenever Postgres is asked for more."""
    async with connection.cursor("history", binary=True) as cursor:
        cursor.itersize = _PORTION
        await cursor.execute(statement, [array(users)])
        async for row in cursor:
            yield Completion(*row)
