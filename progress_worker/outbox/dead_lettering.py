"""Commits a dead letter on its own, and reports dead letters that were committed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.outbox.messages import DeadLetter, Messages
from progress_worker.storage.database import connect_for
from progress_worker.storage.write import outbox
from progress_worker.telemetry.metrics import Metrics

_log = structlog.get_logger()


class DeadLetterWriter:
    """Writes dead letters to the outbox, each in a transaction of its own."""

    def __init__(
        self,
        engine: AsyncEngine,
        messages: Messages,
        metrics: Metrics,
        *,
        outbox_filled: asyncio.Event,
        time_limit_seconds: float,
    ) -> None:
        """`messages` names the topic; `outbox_filled` is set once a letter is committed."""
        self._engine = engine
        self._messages = messages
        self._metrics = metrics
        self._outbox_filled = outbox_filled
        self._time_limit = time_limit_seconds

    async def write(self, letter: DeadLetter) -> None:
        """Commit the letter. Raises TransientError, PoisonError and FatalError as a batch does."""
        record = self._messages.dead_letter(letter, dt.datetime.now(dt.UTC))
        async with connect_for(self._engine, self._time_limit) as connection:
            await outbox.add(connection, [record])
            await connection.commit()
        self._outbox_filled.set()
        report_dead_letters(self._metrics, [letter])


def report_dead_letters(metrics: Metrics, letters: Sequence[DeadLetter]) -> None:
    """Count committed letters, and log one line for each reason.

    A flood of broken records must not become a flood in the log.
    """
    firsts = {letter.error.reason: letter for letter in reversed(letters)}
    for reason, count in Counter(letter.error.reason for letter in letters).items():
        record, error, _ = firsts[reason]
        metrics.dead_letters.labels(reason.value).inc(count)
        _log.warning(
            "dead_lettered",
            reason=reason.value,
            count=count,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            message=str(error),
        )
