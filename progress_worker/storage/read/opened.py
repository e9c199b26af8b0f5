"""One learner at one moment, for what reads many rows: exports and explanations."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import ClauseElement

from progress_worker.domain.completion import Completion
from progress_worker.domain.explain import UnlockRecord
from progress_worker.domain.rulebook import RuleBook
from progress_worker.storage.read.connections import Snapshot
from progress_worker.storage.read.decoding import (
    history_view,
    learner_view,
    stamp_of,
    statistics_view,
    stored_row,
    streak_view,
)
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import (
    HISTORY,
    LEARNER_AND_RETENTION,
    STATISTICS,
    STREAK,
)
from progress_worker.storage.read.tables import COMPLETIONS, UNLOCK_VERSIONS, UNLOCKS
from progress_worker.storage.read.views import (
    HistoryView,
    LearnerView,
    Stamp,
    StatisticsView,
    StoredRow,
    StreakView,
)
from progress_worker.storage.unlock_records import unlock_record

#: Deriving by two rule books takes 40 µs a completion, so the event loop waits 4 ms for a chunk.
_CHUNK_ROWS: Final = 100

_View = TypeVar("_View")


class OpenLearner:
    """Everything that is read here shows the same moment."""

    def __init__(
        self, snapshot: Snapshot, books: ViewRuleBooks, user_id: str, *, in_full: bool = False
    ) -> None:
        """`in_full` leaves nothing out, whatever the learner wants to see."""
        self._snapshot = snapshot
        self._books = books
        self._user_id = user_id
        self._in_full = in_full

    async def learner(self) -> StoredRow[LearnerView]:
        """The learner's state without days and buckets, and from when on completions are kept."""
        row = await self._snapshot.one(LEARNER_AND_RETENTION, user_id=self._user_id)

        def decode(stamp: Stamp) -> LearnerView:
            view = learner_view(self._user_id, row, stamp)
            if row is not None:
                view.state.kept_from = row.completions_kept_from
            return view

        return await self._stored(row, decode)

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

    async def unlocks(self, achievement_id: str) -> dict[int, UnlockRecord]:
        """The unlocks of an achievement, by occurrence."""
        return {
            record.occurrence: record
            async for rows in self.rows(UNLOCKS, achievement_id=achievement_id)
            for record in map(unlock_record, rows)
        }

    async def unlock_versions(self) -> list[int]:
        """The versions of the rule books that gave the learner's unlocks."""
        row = await self._snapshot.one(UNLOCK_VERSIONS, user_id=self._user_id)
        return sorted(row.versions or ())

    async def book(self, version: int) -> RuleBook | None:
        """The rule book of that version; None if the database does not have it."""
        return await self._books.find(version)

    async def active(self) -> RuleBook:
        """Today's rule book."""
        return await self._books.of(None)

    async def completions(self, chunk_rows: int = _CHUNK_ROWS) -> AsyncIterator[list[Completion]]:
        """Every completion, oldest first, in chunks."""
        async for rows in self.rows(COMPLETIONS, chunk_rows):
            yield [Completion._make(row) for row in rows]

    async def rows(
        self, statement: ClauseElement, chunk_rows: int = _CHUNK_ROWS, **parameters: object
    ) -> AsyncIterator[Sequence[Any]]:
        """The statement's rows of the learner in chunks, through a cursor on the server."""
        chunks = self._snapshot.chunks(statement, chunk_rows, user_id=self._user_id, **parameters)
        async for rows in chunks:
            yield rows

    async def _stored(self, row: Any, decode: Callable[[Stamp], _View]) -> StoredRow[_View]:
        stamp = await stamp_of(self._books, row)
        return stored_row(row, stamp._replace(in_full=self._in_full), decode)
