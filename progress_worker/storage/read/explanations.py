"""Explanations, each read on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from progress_worker.errors import TransientError
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.opened import OpenLearner
from progress_worker.storage.read.rulebooks import ViewRuleBooks


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
    async def open(self, user_id: str) -> AsyncIterator[OpenLearner]:
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
                yield OpenLearner(snapshot, self._books, user_id)
        except TimeoutError as error:
            raise TransientError("The explanation took too long.") from error
