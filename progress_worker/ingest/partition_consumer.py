"""Reads the worker's partitions, and applies batch after batch in lanes.

A partition is in one batch at most, which is committed before the partition is read on. So the
order of every partition is kept, and a batch that is retried holds back just its own partitions.

While the worker keeps up, one lane applies what all partitions have, and records gather between two
batches. Meanwhile the partitions are paused: a client that fetched on would bring the records in
small pieces. In a backlog all lanes work, and nothing waits.

Ends when it is stopped or when the group took its partitions away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from progress_worker.ingest.batch_steps import OffsetsCommitted
from progress_worker.ingest.gathering import Gathering
from progress_worker.ingest.lag import Lag, next_offset
from progress_worker.ingest.lane import Lane
from progress_worker.outbox.messages import Record
from progress_worker.runtime.service import cancel
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import Observer
from progress_worker.telemetry.outages import Outage

_log = structlog.get_logger()

_POLL_SECONDS = 1.0
#: The pause after a fetch that failed.
_RETRY_SECONDS = 0.5
#: How often partitions are looked at that no lane has in hand, while others do.
_LOOK_SECONDS = 0.05
#: A batch that takes longer than this is no reason to leave the other partitions alone.
_QUIET_SECONDS = 1.0
_LOST = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

Batch = Mapping[TopicPartition, Sequence[Record]]


class PartitionConsumer:
    """Reads the partitions that the group gave this worker, and applies what they hold."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        lanes: Iterable[Lane],
        metrics: Metrics,
        observer: Observer,
        *,
        batch_max_events: int,
        longest_wait_seconds: float,
        request_timeout_seconds: float,
    ) -> None:
        self.partitions = tuple(partitions)
        self._last_pulse = time.monotonic()
        self._last_advance = time.monotonic()
        self._consumer = consumer
        self._free = list(lanes)
        self._working: dict[asyncio.Task[None], Lane] = {}
        self._metrics = metrics
        self._observer = observer
        self._batch_max_events = batch_max_events
        self._gathering = Gathering(longest_wait_seconds)
        self._request_timeout = request_timeout_seconds
        self._lag = Lag(metrics, partitions)
        #: The first offsets of the batches that are being applied.
        self._in_hand: dict[TopicPartition, int] = {}
        #: The next offset to apply, and the one that the group has committed.
        self._applied: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._reading = False
        self._stopping = False
        self._fetch_outage = Outage("fetch_failed", partitions=self._numbers())
        self._commit_outage = Outage("offset_commit_failed", partitions=self._numbers())
        self._task = asyncio.create_task(self._run(), name="partition-consumer")

    @property
    def task(self) -> asyncio.Task[None]:
        """Ends with FatalError when the worker has to stop."""
        return self._task

    @property
    def idle_seconds(self) -> float:
        """Seconds since it last advanced; 0 while it does not read."""
        return time.monotonic() - self._last_advance if self._reading else 0.0

    def silences(self) -> Iterator[tuple[float, Sequence[TopicPartition]]]:
        """For how long reading or a lane has shown no sign of life, and its partitions."""
        if self._reading and not self._task.done():
            yield time.monotonic() - self._last_pulse, self.partitions
        for task, lane in self._working.items():
            if not task.done():
                yield lane.silent_seconds, lane.partitions

    async def ends(self) -> Mapping[TopicPartition, int]:
        """The offsets up to which the partitions that are not in hand can be read now.

        Raises KafkaError. Waits for the broker as long as the consumer does.
        """
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(self._unread())
        return ends

    def before(self, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Its partitions that are neither in hand nor read up to these offsets."""
        return [
            tp
            for tp in self._unread()
            if (position := next_offset(self._consumer, tp)) is not None
            and position < ends.get(tp, 0)
        ]

    async def stop(self, deadline_seconds: float) -> None:
        """Let the batches in hand be committed within the deadline, or abandon them."""
        self._stopping = True
        self._task.cancel()
        _, late = await asyncio.wait({self._task, *self._working}, timeout=deadline_seconds)
        if late:
            _log.warning("batch_abandoned", partitions=[tp.partition for tp in self._in_hand])
            await cancel(late)

    async def _run(self) -> None:
        _log.info("partition_consumer_started", partitions=self._numbers())
        while not self._stopping:
            await self._free_lane()
            partitions = self._unread()
            batch = await self._read(partitions)
            # The position may have passed control records although no record came. It counts only
            # when no partition had records: until then the client holds back errors.
            positions = self._positions(batch or partitions)
            if batch:
                await self._work(batch, positions)
            else:
                await self._advance(positions)

    async def _free_lane(self) -> None:
        """Wait until a lane is free and has partitions to read. Raises what ended a lane."""
        while True:
            for task in [task for task in self._working if task.done()]:
                self._free.append(self._working.pop(task))
                task.result()
            if self._free and len(self._in_hand) < len(self.partitions):
                return
            await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)

    async def _work(self, batch: Batch, positions: Mapping[TopicPartition, int]) -> None:
        """Have a lane apply the batch. Without a backlog, also wait for that and for records."""
        lane = self._free.pop()
        for partition, records in batch.items():
            self._in_hand[partition] = records[0].offset
            self._lag.reached(partition, records[0].timestamp)
        task = asyncio.create_task(self._apply(lane, batch, positions), name="lane")
        self._working[task] = lane
        events = sum(len(records) for records in batch.values())
        self._gathering.read(events)
        if self._gathering.wanted and not self._is_behind(events):
            self._consumer.pause(*self.partitions)
            await asyncio.wait({task}, timeout=_QUIET_SECONDS)
            await asyncio.sleep(self._gathering.seconds_left)
            self._consumer.resume(*self.partitions)

    def _is_behind(self, events: int) -> bool:
        """Whether a batch of so many events leaves at least as many others to read."""
        if events >= self._batch_max_events:
            return True
        left = 0
        for tp in self.partitions:
            stable = self._consumer.last_stable_offset(tp)
            position = next_offset(self._consumer, tp)
            if stable is not None and position is not None:
                left += max(0, stable - position)
        return left >= events

    async def _apply(
        self, lane: Lane, batch: Batch, positions: Mapping[TopicPartition, int]
    ) -> None:
        await lane.apply(batch)
        for partition, records in batch.items():
            self._lag.reached(partition, records[-1].timestamp)
        await self._advance(positions)
        for partition in batch:
            del self._in_hand[partition]

    def _unread(self) -> list[TopicPartition]:
        """The partitions that no lane has in hand."""
        return [tp for tp in self.partitions if tp not in self._in_hand]

    def _positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {
            tp: position
            for tp in partitions
            if (position := next_offset(self._consumer, tp)) is not None
        }

    async def _advance(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note and commit that all before these offsets is applied or needs no applying."""
        if not positions.items() <= self._applied.items():
            self._applied |= positions
            self._last_advance = time.monotonic()
        offsets = dict(positions.items() - self._committed.items())
        if offsets and not await self._commit_offsets(offsets):
            self._stopping = True

    async def _read(self, partitions: Sequence[TopicPartition]) -> Batch:
        self._reading, self._last_pulse = True, time.monotonic()
        try:
            batch: Batch = await self._consumer.getmany(
                *partitions,
                timeout_ms=0 if self._working else int(_POLL_SECONDS * 1000),
                max_records=self._batch_max_events,
            )
            if not batch and self._working:
                await asyncio.wait(
                    self._working, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
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
            await asyncio.sleep(_RETRY_SECONDS)
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

    async def _commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """The only place that commits offsets: those up to which Postgres has committed all.

        Returns False when the group took the partitions away. Any other failure does no harm,
        because the next commit covers this one.
        """
        started = time.perf_counter()
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

    def _numbers(self) -> list[int]:
        return [partition.partition for partition in self.partitions]
