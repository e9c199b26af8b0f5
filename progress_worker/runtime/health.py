"""The health of the worker: its gauges, and the answers to liveness and readiness probes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from progress_worker.errors import ProgressError
from progress_worker.storage.database import Connection, autocommitting, connect_for
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks, walks
from progress_worker.storage.write.outbox import backlog
from progress_worker.storage.write.walks import WalkState
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.outages import Outage

#: How often a worker reports in the database that it runs. After a minute it counts as gone.
_SEEN_SECONDS = 15.0
_WALKS_SECONDS = 10.0


class Health:
    """Looks at Postgres from time to time and remembers when it last answered."""

    def __init__(
        self,
        engine: AsyncEngine,
        metrics: Metrics,
        books: RuleBooks,
        settle_rules: Callable[[Connection], Awaitable[None]],
        *,
        time_limit_seconds: float,
        instance: str,
    ) -> None:
        """`instance` is the name under which the database lists this worker.

        `settle_rules` stores the worker's own rule book if it no longer has to wait.
        """
        self._engine = engine
        self._metrics = metrics
        self._books = books
        self._settle_rules = settle_rules
        self._instance = instance
        self._seen_at = float("-inf")
        self._walks_shown_for: int | None = None
        self._walks_shown_at = float("-inf")
        self._time_limit = time_limit_seconds
        self._answered_at = float("-inf")
        self._outage = Outage("database_silent")

    async def refresh(self) -> None:
        """Set the gauges. `database_answers` says whether Postgres could be reached."""
        pool = self._engine.pool
        if isinstance(pool, AsyncAdaptedQueuePool):
            self._metrics.database_connections.labels("in_use").set(pool.checkedout())
            self._metrics.database_connections.labels("idle").set(pool.checkedin())
        try:
            async with (
                connect_for(self._engine, self._time_limit) as pooled,
                autocommitting(pooled) as connection,
            ):
                waiting = await backlog(connection)
                if self._books.settled:
                    await self._look_at_rules(connection)
        except ProgressError as error:
            self._outage.met(str(error))
            return
        self._answered_at = time.monotonic()
        self._outage.over()
        self._metrics.outbox_pending.set(waiting.pending)
        self._metrics.outbox_oldest.set(waiting.oldest_seconds)
        self._metrics.outbox_parked.set(waiting.held_back)

    async def _look_at_rules(self, connection: Connection) -> None:
        """Use the rule book that is active by now. Show, less often, how far the walks are."""
        await rulebooks.refresh(connection, self._books)
        if self._books.waiting:
            async with connection.transaction():
                await self._settle_rules(connection)
        now = time.monotonic()
        if now - self._seen_at > _SEEN_SECONDS:
            await rulebooks.see(connection, self._instance)
            self._seen_at = now
        active = self._books.active.version
        self._metrics.rule_book.set(active)
        if active != self._walks_shown_for or now - self._walks_shown_at > _WALKS_SECONDS:
            await self._show_walks(connection)
            self._walks_shown_for, self._walks_shown_at = active, now

    async def _show_walks(self, connection: Connection) -> None:
        walked = await walks.find_all(connection)
        for name, state in walked.items():
            self._show_walk(name, state)
        if walks.RULE_BOOK not in walked:
            self._metrics.walk_finished.labels(walks.RULE_BOOK).set(0)

    def _show_walk(self, name: str, state: WalkState) -> None:
        self._metrics.walk_examined.labels(name).set(state.examined)
        self._metrics.walk_changed.labels(name).set(state.changed)
        # A pass for an older rule book is not the one that is due.
        is_due = state.rule_book not in {None, self._books.active.version}
        finished = None if is_due else state.finished_at
        self._metrics.walk_finished.labels(name).set(finished.timestamp() if finished else 0)

    @property
    def database_answers(self) -> bool:
        """Whether Postgres answered within the last two time limits or so."""
        return time.monotonic() - self._answered_at < 2 * self._time_limit
