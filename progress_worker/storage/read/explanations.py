"""What an explanation reads: the learner, an achievement's unlocks, and every completion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from progress_worker.domain.completion import Completion
from progress_worker.domain.explain import UnlockRecord
from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import TransientError
from progress_worker.storage.read.connections import ReadConnections, Snapshot
from progress_worker.storage.read.export import COMPLETIONS
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import LEARNER_AND_RETENTION, UNLOCKS
from progress_worker.storage.read.views import (
    LearnerView,
    Stamp,
    StoredRow,
    learner_view,
    stamp_of,
    stored_row,
)
from progress_worker.storage.unlock_records import unlock_record

#: Deriving by two rule books takes 40 µs a completion, so the event loop waits 4 ms for a chunk.
_CHUNK_ROWS: Final = 100


class ExplanationReads:
    """Explanations, each read on a connection of its own from the pool of long reads.

    Those of one learner are read one after the other, so nobody takes more than one connection.
    """

    def __init__(
        self, connections: ReadConnections, books: ViewRuleBooks, limit_seconds: float
    ) -> None:
        self._connections = connections
        self._books = books
        self._limit_seconds = limit_seconds
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def open(self, user_id: str) -> AsyncIterator[OpenExplanation]:
        """One learner's explanation; everything that is read from it shows the same moment.

        Raises TransientError when Postgres is away, every connection is busy, or it takes too long.
        """
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                turn,
                self._connections.snapshot() as snapshot,
            ):
                yield OpenExplanation(snapshot, self._books, user_id)
        except TimeoutError as error:
            raise TransientError("The explanation took too long.") from error


class OpenExplanation:
    """One learner at one moment."""

    def __init__(self, snapshot: Snapshot, books: ViewRuleBooks, user_id: str) -> None:
        self._snapshot = snapshot
        self._books = books
        self._user_id = user_id

    async def learner(self) -> StoredRow[LearnerView]:
        """The learner's state without days and buckets."""
        row = await self._snapshot.one(LEARNER_AND_RETENTION, user_id=self._user_id)

        def decode(stamp: Stamp) -> LearnerView:
            view = learner_view(self._user_id, row, stamp)
            if row is not None:
                view.state.kept_from = row.completions_kept_from
            return view

        return stored_row(row, await stamp_of(self._books, row), decode)

    async def unlocks(self, achievement_id: str) -> dict[int, UnlockRecord]:
        """The unlocks of an achievement, by occurrence."""
        chunks = self._snapshot.chunks(
            UNLOCKS, _CHUNK_ROWS, user_id=self._user_id, achievement_id=achievement_id
        )
        return {
            record.occurrence: record
            async for rows in chunks
            for record in map(unlock_record, rows)
        }

    async def book_of(self, unlock: UnlockRecord) -> RuleBook | None:
        """The rule book that gave the unlock; None if the database does not have it."""
        return await self._books.find(unlock.rule_version)

    async def active(self) -> RuleBook:
        """Today's rule book."""
        return await self._books.of(None)

    async def completions(self) -> AsyncIterator[Sequence[Completion]]:
        """Every completion, oldest first, in chunks through a cursor on the server."""
        async for rows in self._snapshot.chunks(COMPLETIONS, _CHUNK_ROWS, user_id=self._user_id):
            yield [Completion._make(row) for row in rows]
