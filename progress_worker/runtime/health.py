"""Whether the worker works: its gauges, and the answers to liveness and readiness probes."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from progress_worker.errors import ProgressError
from progress_worker.storage.database import connect_for
from progress_worker.storage.write.outbox import backlog
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.outages import Outage


class Health:
    """Looks at Postgres from time to time and remembers when it last answered."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics, *, time_limit_seconds: float) -> None:
        self._engine = engine
        self._metrics = metrics
        self._time_limit = time_limit_seconds
        self._answered_at = float("-inf")
        self._outage = Outage("database_silent")

    async def refresh(self) -> None:
        """Set the gauges; a Postgres that is away is told by `database_answers`."""
        pool = self._engine.pool
        if isinstance(pool, AsyncAdaptedQueuePool):
            self._metrics.database_connections.labels("in_use").set(pool.checkedout())
            self._metrics.database_connections.labels("idle").set(pool.checkedin())
        try:
            async with connect_for(self._engine, self._time_limit) as connection:
                waiting = await backlog(connection)
        except ProgressError as error:
            self._outage.met(str(error))
            return
        self._answered_at = time.monotonic()
        self._outage.over()
        self._metrics.outbox_pending.set(waiting.pending)
        self._metrics.outbox_oldest.set(waiting.oldest_seconds)
        self._metrics.outbox_parked.set(waiting.parked)

    @property
    def database_answers(self) -> bool:
        """Whether Postgres answered within the last two time limits or so."""
        return time.monotonic() - self._answered_at < 2 * self._time_limit
