"""What an export reads: the learner's views and every completion, from one moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, select
from sqlalchemy import text as sql

from progress_worker.domain.completion import Completion
from progress_worker.errors import ProgressError
from progress_worker.storage.read.connections import ReadConnections, Snapshot
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import HISTORY, LEARNER_STATE, STATISTICS, STREAK
from progress_worker.storage.read.views import (
    HistoryView,
    LearnerView,
    Stamp,
    StatisticsView,
    StoredRow,
    StreakView,
    history_view,
    learner_view,
    stamp_of,
    statistics_view,
    stored_row,
    streak_view,
)
from progress_worker.storage.rows import COMPLETION
from progress_worker.storage.schema.tables import completion

_CHUNK_ROWS: Final = 500

_View = TypeVar("_View")

#: Every completion, revoked ones too, oldest first.
COMPLETIONS: Final = (
    select(*(completion.c[name] for name in COMPLETION.columns))
    .where(completion.c.user_id == bindparam("user_id"))
    .order_by(completion.c.completed_at, completion.c.event_id)
    .prefix_with(sql("/* progress-view: completions */"))
)


class ExportRunningError(ProgressError):
    """An export of this learner is running already."""


class ExportReads:
    """Exports, one per learner at a time, each read on a connection of its own from a small pool.

    Opening one raises TransientError when Postgres is away or every connection is busy.
    """

    def __init__(self, connections: ReadConnections, books: ViewRuleBooks) -> None:
        self._connections = connections
        self._books = books
        self._running: set[str] = set()

    @contextmanager
    def turn(self, user_id: str) -> Iterator[None]:
        """Hold this learner's turn until the client has everything. Raises ExportRunningError."""
        if user_id in self._running:
            raise ExportRunningError("An export of this learner is running already.")
        self._running.add(user_id)
        try:
            yield
        finally:
            self._running.remove(user_id)

    @asynccontextmanager
    async def open(self, user_id: str) -> AsyncIterator[OpenExport]:
        """One learner's export; everything that is read from it shows the same moment."""
        async with self._connections.snapshot() as snapshot:
            yield OpenExport(snapshot, self._books, user_id)


class OpenExport:
    """One learner at one moment."""

    def __init__(self, snapshot: Snapshot, books: ViewRuleBooks, user_id: str) -> None:
        self._snapshot = snapshot
        self._books = books
        self._user_id = user_id

    async def learner(self) -> StoredRow[LearnerView]:
        """The learner's state without days."""
        row = await self._snapshot.one(LEARNER_STATE, user_id=self._user_id)
        return await self._stored(row, partial(learner_view, self._user_id, row))

    async def statistics(self, first: dt.date, last: dt.date) -> StoredRow[StatisticsView]:
        """Sums over all days and per day from `first` to `last`, both included."""
        row = await self._snapshot.one(
            STATISTICS, user_id=self._user_id, first_day=first, last_day=last
        )
        return await self._stored(row, partial(statistics_view, row))

    async def history(self, first: dt.date, last: dt.date) -> StoredRow[HistoryView]:
        """Sums per day from `first` to `last`, both included, and what came before."""
        row = await self._snapshot.one(
            HISTORY, user_id=self._user_id, first_day=first, last_day=last
        )
        return await self._stored(row, partial(history_view, row))

    async def streak(self, first: dt.date) -> StoredRow[StreakView]:
        """The learner's active and excused days, and the goal, for a week from `first` or later."""
        row = await self._snapshot.one(STREAK, user_id=self._user_id, first_day=first)
        return await self._stored(row, partial(streak_view, row))

    async def _stored(self, row: Any, decode: Callable[[Stamp], _View]) -> StoredRow[_View]:
        # A copy of everything leaves nothing out, whatever the learner wants to see.
        stamp = (await stamp_of(self._books, row))._replace(in_full=True)
        return stored_row(row, stamp, decode)

    async def completions(self) -> AsyncIterator[Sequence[Completion]]:
        """Every completion, oldest first, in chunks through a cursor on the server."""
        chunks = self._snapshot.chunks(COMPLETIONS, _CHUNK_ROWS, user_id=self._user_id)
        async for rows in chunks:
            yield [Completion._make(row) for row in rows]
