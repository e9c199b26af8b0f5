"""What an export reads: the learner's views and every completion, from one moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Executable, bindparam, select
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncConnection

from progress_worker.storage.tables import completion
from progress_worker.storage.view_connections import ReadConnections
from progress_worker.storage.view_statements import HISTORY, LEARNER, STATISTICS
from progress_worker.storage.views import (
    HistoryView,
    LearnerView,
    StatisticsView,
    history_view,
    learner_view,
    statistics_view,
)

_CHUNK_ROWS: Final = 500

#: Every completion, revoked ones too, oldest first.
COMPLETIONS: Final = (
    select(
        completion.c.event_id,
        completion.c.revision,
        completion.c.revoked,
        completion.c.exercise_id,
        completion.c.topic,
        completion.c.difficulty,
        completion.c.grade_hundredths,
        completion.c.time_spent_seconds,
        completion.c.hints_used,
        completion.c.completed_at,
        completion.c.timezone,
        completion.c.local_day,
    )
    .where(completion.c.user_id == bindparam("user_id"))
    .order_by(completion.c.completed_at, completion.c.event_id)
    .prefix_with(sql("/* progress-view: completions */"))
)


class StoredCompletion(NamedTuple):
    """A completion at its highest revision; the grade is in hundredths of a percent."""

    event_id: UUID
    revision: int
    revoked: bool
    exercise_id: str
    topic: str
    difficulty: str
    grade_hundredths: int | None
    time_spent_seconds: int
    hints_used: int
    completed_at: dt.datetime
    timezone: str | None
    local_day: dt.date


class ExportReads:
    """Exports, each on a connection of its own from a small pool.

    Opening one raises TransientError when Postgres is away or every connection is busy.
    """

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    @asynccontextmanager
    async def open(self, user_id: str) -> AsyncIterator[OpenExport]:
        """One learner's export; everything that is read from it shows the same moment."""
        async with self._connections.snapshot() as connection:
            yield OpenExport(connection, user_id)


class OpenExport:
    """One learner at one moment."""

    def __init__(self, connection: AsyncConnection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    async def learner(self) -> LearnerView:
        """The learner's state without days."""
        return learner_view(self._user_id, await self._one(LEARNER))

    async def statistics(self, first: dt.date, last: dt.date) -> StatisticsView:
        """Sums over all days and per day from `first` to `last`, both included."""
        return statistics_view(await self._one(STATISTICS, first_day=first, last_day=last))

    async def history(self, first: dt.date, last: dt.date) -> HistoryView:
        """Sums per day from `first` to `last`, both included, and what came before."""
        return history_view(await self._one(HISTORY, first_day=first, last_day=last))

    async def completions(self) -> AsyncIterator[Sequence[StoredCompletion]]:
        """Every completion, oldest first, in chunks through a cursor on the server."""
        result = await self._connection.stream(
            COMPLETIONS,
            {"user_id": self._user_id},
            execution_options={"yield_per": _CHUNK_ROWS},
        )
        async for rows in result.partitions():
            yield [StoredCompletion._make(row) for row in rows]

    async def _one(self, statement: Executable, **parameters: object) -> Any:
        result = await self._connection.execute(statement, {"user_id": self._user_id, **parameters})
        return result.one_or_none()
