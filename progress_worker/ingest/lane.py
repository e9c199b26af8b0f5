"""A lane applies one batch at a time, beside other lanes that apply other partitions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from progress_worker.ingest.batch_splitter import BatchSplitter
from progress_worker.ingest.projector import Projector
from progress_worker.outbox.messages import Record
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.telemetry.observer import Observer


class Lane:
    """Applies batches and remembers which size works."""

    def __init__(
        self,
        projector: Projector,
        retry: RetryPolicy,
        observer: Observer,
        *,
        batch_max_events: int,
        time_limit_seconds: float,
    ) -> None:
        #: The partitions of the batch that is being applied.
        self.partitions: Sequence[TopicPartition] = ()
        self._last_pulse = time.monotonic()
        self._splitter = BatchSplitter(
            projector,
            retry,
            observer,
            max_events=batch_max_events,
            time_limit_seconds=time_limit_seconds,
            pulse=self._pulse,
        )

    @property
    def silent_seconds(self) -> float:
        """Seconds since it began a batch, a transaction or a pause between two attempts."""
        return time.monotonic() - self._last_pulse

    async def apply(self, batch: Mapping[TopicPartition, Sequence[Record]]) -> None:
        """Commit all that the records change, however long that takes. Raises FatalError."""
        self._pulse()
        self.partitions = tuple(batch)
        await self._splitter.apply([record for records in batch.values() for record in records])
        self.partitions = ()

    def _pulse(self) -> None:
        self._last_pulse = time.monotonic()
