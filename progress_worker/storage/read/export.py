"""Exports, each read on a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import ProgressError
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.opened import OpenLearner
from progress_worker.storage.read.rulebooks import ViewRuleBooks


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
    async def open(self, user_id: str) -> AsyncIterator[OpenLearner]:
        """One learner's export; everything that is read from it shows the same moment."""
        async with self._connections.snapshot() as snapshot:
            yield OpenLearner(snapshot, self._books, user_id, in_full=True)

    async def active(self) -> RuleBook:
        """Today's rule book, on which the explanations in an export depend."""
        return await self._books.of(None)
