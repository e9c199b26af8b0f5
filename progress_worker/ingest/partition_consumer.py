"""Reads some partitions batch after batch, each committed before the next is read.

Blocks while its batch is retried, which holds back just its own partitions. Keeps the order of
every partition. Ends when it is stopped or when the group took its partitions away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from progress_worker.errors import FatalError
from progress_worker.ingest.batch_splitter import BatchSplitter
from progress_worker.ingest.batch_steps import OffsetsCommitted
from progress_worker.ingest.lag import Lag, next_offset
from progress_worker.ingest.projector import Projector
from progress_worker.outbox.messages import Record
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import cancel
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import Observer
from progress_worker.telemetry.outages import Outage

_log = structlog.get_logger()

_POLL_SECONDS = 0.5
_LOST = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class PartitionConsumer:
    """Reads some of the worker's partitions and applies what they hold."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        projector: Projector,
        retry: RetryPolicy,
        metrics: Metrics,
        observer: Observer,
        *,
        batch_max_events: int,
        time_limit_seconds: float,
        request_timeout_seconds: float,
    ) -> None:
        self.partitions = tuple(partitions)
        self.last_pulse = time.monotonic()
        self._last_advance = time.monotonic()
        self._consumer = consumer
        self._splitter = BatchSplitter(
            projector,
            retry,
            observer,
            max_events=batch_max_events,
            time_limit_seconds=time_limit_seconds,
            pulse=self._pulse,
        )
        self._metrics = metrics
        self._observer = observer
        self._batch_max_events = batch_max_events
        self._request_timeout = request_timeout_seconds
        self._lag = Lag(metrics, partitions)
        #: The first offsets of the batch that is being applied.
        self._in_hand: dict[TopicPartition, int] = {}
        #: The next offset to apply, and the one that the group has committed.
        self._applied: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._reading = False
        self._stopping = False
        self._fetch_outage = Outage("fetch_failed", partitions=self._numbers())
        self._commit_outage = Outage("offset_commit_failed", partitions=self._numbers())
        self._task = asyncio.create_task(
            self._run(), name=f"partition-consumer-{partitions[0].partition}"
        )

    @property
    def task(self) -> asyncio.Task[None]:
        """Ends with FatalError when the worker has to stop."""
        return self._task

    @property
    def idle_seconds(self) -> float:
        """Seconds since it last advanced; 0 while it has a batch in hand."""
        return time.monotonic() - self._last_advance if self._reading else 0.0

    async def ends(self) -> Mapping[TopicPartition, int]:
        """The offsets up to which its partitions can be read now.

        Raises KafkaError. Waits for the broker as long as the consumer does.
        """
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(self.partitions)
        return ends

    def before(self, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Its partitions that are not yet read up to these offsets."""
        return [
            tp
            for tp, end in ends.items()
            if (position := next_offset(self._consumer, tp)) is not None and position < end
        ]

    async def stop(self, deadline_seconds: float) -> None:
        """Let the batch in hand be committed within the deadline, or abandon it."""
        self._stopping = True
        if self._reading:
            self._task.cancel()
        _, late = await asyncio.wait({self._task}, timeout=deadline_seconds)
        if late:
            _log.warning("batch_abandoned", partitions=self._numbers())
            await cancel({self._task})

    async def _run(self) -> None:
        _log.info("partition_consumer_started", partitions=self._numbers())
        while not self._stopping:
            self._pulse()
            batch = await self._read()
            # The position may have passed control records although no record came. It counts only
            # when no partition had records: until then the client holds back errors.
            positions = self._positions(batch or self.partitions)
            if batch:
                await self._apply(batch)
            self._advance(positions)
            if self._applied != self._committed and not await self._commit_offsets():
                return

    async def _apply(self, batch: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for partition, records in batch.items():
            self._in_hand[partition] = records[0].offset
            self._lag.reached(partition, records[0].timestamp)
        every = [record for records in batch.values() for record in records]
        await self._splitter.apply(every)
        self._in_hand.clear()
        for partition, records in batch.items():
            self._lag.reached(partition, records[-1].timestamp)

    def _positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {
            tp: position
            for tp in partitions
            if (position := next_offset(self._consumer, tp)) is not None
        }

    def _advance(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note that everything before these offsets is applied or needs no applying."""
        if not positions.items() <= self._applied.items():
            self._applied |= positions
            self._last_advance = time.monotonic()

    async def _read(self) -> Mapping[TopicPartition, Sequence[Record]]:
        self._reading = True
        try:
            batch: Mapping[TopicPartition, Sequence[Record]] = await self._consumer.getmany(
                *self.partitions,
                timeout_ms=int(_POLL_SECONDS * 1000),
                max_records=self._batch_max_events,
            )
        except NoOffsetForPartitionError as error:
            await self._consumer.seek_to_beginning(*error.args)
            return {}
        except OffsetOutOfRangeError as error:
            await self._report_loss(error.args[0])
            return {}
        except KafkaError as error:
            if not error.retriable:
                raise FatalError(
                    f"Kafka refuses to deliver partitions {self._numbers()}: {error}."
                ) from error
            self._fetch_outage.met(type(error).__name__)
            await asyncio.sleep(_POLL_SECONDS)
            return {}
        finally:
            self._reading = False
        self._fetch_outage.over()
        return batch

    async def _report_loss(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Log that Kafka deleted unread records, and go on with the oldest that is left."""
        for partition, offset in offsets.items():
            self._metrics.offset_resets.inc()
            _log.error(
                "records_lost",
                partition=partition.partition,
                expected_offset=offset,
                meaning="Kafka no longer has this offset; reading on from the oldest record left",
            )
        await self._consumer.seek_to_beginning(*offsets)

    def observe_lag(self) -> None:
        """Set the lag of every partition, by what the fetches said."""
        for tp in self.partitions:
            position = self._in_hand.get(tp, next_offset(self._consumer, tp))
            self._lag.observe(self._consumer, tp, position)

    async def _commit_offsets(self) -> bool:
        """The only place that commits offsets: those up to which Postgres has committed all.

        Returns False when the group took the partitions away. Any other failure does no harm,
        because the next commit covers this one.
        """
        started = time.perf_counter()
        offsets = dict(self._applied.items() - self._committed.items())
        try:
            async with asyncio.timeout(self._request_timeout):
                await self._consumer.commit(offsets)
        except _LOST as error:
            _log.warning("partitions_lost", partitions=self._numbers(), error=type(error).__name__)
            return False
        except (KafkaError, TimeoutError) as error:
            self._metrics.retries.labels("offset_commit").inc()
            self._commit_outage.met(type(error).__name__)
            return True
        self._commit_outage.over()
        self._committed |= offsets
        self._observer.done(OffsetsCommitted(time.perf_counter() - started))
        return True

    def _pulse(self) -> None:
        self.last_pulse = time.monotonic()

    def _numbers(self) -> list[int]:
        return [partition.partition for partition in self.partitions]
