"""Housekeeping: deletes what is kept for a limited time, one small step at each turn of a timer.

A step reads and deletes a bounded number of rows. It runs in the leader only. If two workers take
themselves for the leader, the slower one's step fails. A step that fails is rolled back and tried
again at the next turn.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final

import psycopg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import ProgressError
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import Connection, connect, translate
from progress_worker.storage.write import retention, walks
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.outages import Outage

_log = structlog.get_logger()

#: The walk whose cursor says up to which completion housekeeping has come.
_WALK: Final = "retention"
#: At one step every ten seconds, 100 million completions take six days.
_STEP_ROWS: Final = 2_000


class Housekeeping:
    """Goes through completions and outbox, over and over."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        metrics: Metrics,
        *,
        step_rows: int = _STEP_ROWS,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._completion_days = settings.completion_retention_days
        self._held_back_days = settings.parked_retention_days
        self._time_limit = settings.database_statement_timeout_seconds
        self._engine = engine
        self._metrics = metrics
        self._step_rows = step_rows
        self._clock = clock
        self._outage = Outage("housekeeping_failed")

    @property
    def wanted(self) -> bool:
        """Whether anything is kept for a limited time."""
        return self._completion_days is not None or self._held_back_days is not None

    async def step(self) -> None:
        """Look at the next rows and delete the old ones among them."""
        try:
            async with asyncio.timeout(self._time_limit), connect(self._engine) as connection:
                if self._completion_days is not None:
                    await self._forget(connection, self._days_ago(self._completion_days))
                if self._held_back_days is not None:
                    await self._delete_held_back(connection, self._days_ago(self._held_back_days))
        except (ProgressError, psycopg.Error, TimeoutError) as error:
            self._failed(error)
        else:
            self._outage.over()
            self._metrics.housekeeping_steps.labels("done").inc()

    async def _forget(self, connection: Connection, before: dt.datetime) -> None:
        start = (await walks.resume(connection, _WALK)).cursor
        position = start.user_id, start.event_id or retention.BEGINNING[1]
        page = await retention.completions_after(
            connection, position, before=before, limit=self._step_rows
        )
        gone = 0
        if page.old:
            gone = await retention.forget_completions(connection, page.old, before=before)
        finished = page.size < self._step_rows
        await walks.move(
            connection,
            _WALK,
            start,
            walks.Cursor(*page.last) if page.size else start,
            examined=page.size,
            changed=gone,
            finished=finished,
        )
        await connection.commit()
        self._metrics.housekeeping_examined.inc(page.size)
        self._metrics.housekeeping_deleted.labels("completion").inc(gone)
        if finished:
            self._metrics.housekeeping_passed.set(self._clock().timestamp())

    async def _delete_held_back(self, connection: Connection, before: dt.datetime) -> None:
        gone = await retention.delete_held_back(connection, before=before, limit=self._step_rows)
        await connection.commit()
        self._metrics.housekeeping_deleted.labels("outbox").inc(len(gone))
        for record in gone:
            _log.warning("parked_record_deleted", **record._asdict())

    def _failed(self, error: ProgressError | psycopg.Error | TimeoutError) -> None:
        failure: Exception = translate(error) if isinstance(error, psycopg.Error) else error
        self._metrics.housekeeping_steps.labels("failed").inc()
        self._outage.met(str(failure) or type(failure).__name__)

    def _days_ago(self, days: int) -> dt.datetime:
        return self._clock() - dt.timedelta(days=days)
