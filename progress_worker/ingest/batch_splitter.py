"""Applies batches of records, each in as few transactions as Postgres manages.

A transient failure is tried again. A batch that Postgres does not finish in time is cut: half as
many records are tried at once, and the next batches begin with what worked, until Postgres is fast
again. What Postgres refuses for good is narrowed down to the record that causes it, which is
dead-lettered. A batch is decoded once, and records that were applied are not tried again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from progress_worker.errors import PoisonError, TooSlowError
from progress_worker.ingest.batch_steps import TryBatch
from progress_worker.ingest.folding import Arrival
from progress_worker.ingest.projector import Projector
from progress_worker.outbox.messages import DeadLetter, Record
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.telemetry.observer import Observer

_log = structlog.get_logger()

#: A transaction that takes less than this part of the time limit is fast: the next may be larger.
_FAST: Final = 1 / 4


@dataclass(slots=True)
class Batch:
    """What is left to apply of some records: first all of them, then what was decoded."""

    records: Sequence[Record]
    arrivals: Sequence[Arrival] = ()
    letters: Sequence[DeadLetter] = ()
    #: Smaller while searching for the record that Postgres refuses.
    at_once: int = sys.maxsize

    def __len__(self) -> int:
        return len(self.records) + len(self.arrivals) + len(self.letters)


class BatchSplitter:
    """Applies the batches of one partition consumer, in order; remembers which size works."""

    def __init__(
        self,
        projector: Projector,
        retry: RetryPolicy,
        observer: Observer,
        *,
        max_events: int,
        time_limit_seconds: float,
        pulse: Callable[[], None],
    ) -> None:
        """`pulse` is called before each transaction and at each failure."""
        self._projector = projector
        self._retry = retry
        self._observer = observer
        self._max_events = self._size = max_events
        self._fast_seconds = time_limit_seconds * _FAST
        self._pulse = pulse

    async def apply(self, records: Sequence[Record]) -> None:
        """Commit all that the records change, however long that takes. Raises FatalError."""
        await self._retry.run("ingest", partial(self.attempt, Batch(records)), self._pulse)

    async def attempt(self, batch: Batch) -> None:
        """Apply what is left of the batch, once.

        Raises TransientError: what is left may succeed later. Raises FatalError when no waiting
        helps.
        """
        with self._observer.around(TryBatch(len(batch))):
            if batch.records:
                batch.arrivals, batch.letters = self._projector.decode(batch.records)
                batch.records = ()
            while batch:
                self._pulse()
                await self._apply_next(batch)

    async def _apply_next(self, batch: Batch) -> None:
        """Apply as many records as should work, and all dead letters; shorten the batch by them."""
        part = batch.arrivals[: min(self._size, batch.at_once)]
        started = time.monotonic()
        try:
            await self._projector.commit(part, batch.letters)
        except TooSlowError:
            self._shrink(len(part))
            raise
        except PoisonError as error:
            if len(part) > 1:
                batch.at_once = len(part) // 2
                return
            refused = [DeadLetter(record, error) for record, _ in part]
            await self._projector.commit([], [*batch.letters, *refused])
        else:
            batch.at_once *= 2
            self._grow(len(part), time.monotonic() - started)
        batch.arrivals, batch.letters = batch.arrivals[len(part) :], ()

    def _shrink(self, tried: int) -> None:
        smaller = max(1, tried // 2)
        if smaller < self._size:
            self._size = smaller
            _log.warning("batch_split", events=smaller)

    def _grow(self, applied: int, seconds: float) -> None:
        if self._size <= applied < self._max_events and seconds < self._fast_seconds:
            self._size = min(2 * self._size, self._max_events)
            if self._size == self._max_events:
                _log.info("batch_split_over")
