"""The ingest service: a member of the consumer group that divides its partitions.

The start waits for Postgres, for the topic and for commands that are older than the start, as long
as it takes, and logs that it waits. At a
stop or a rebalance the batches in hand are committed or abandoned within the drain timeout. A
stall, and any failure that waiting does not mend, crashes the service and with it the process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from mode import Service
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import FatalError, TransientError
from progress_worker.ingest.lane import Lane
from progress_worker.ingest.partition_consumer import PartitionConsumer
from progress_worker.ingest.projector import Projector
from progress_worker.kafka.clients import consumer_options
from progress_worker.kafka.contact import unreachable
from progress_worker.kafka.topics import partition_counts
from progress_worker.runtime.kafka_answers import KafkaContact
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import WorkerService
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import Connection, check_migrated, connect_for
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import Observer

_log = structlog.get_logger()

_WATCH_SECONDS = 1.0
#: The least time that leaving the group is given.
_LEAVE_SECONDS = 1.0
_SECOND_LOOK_SECONDS = 5.0


class IngestService(WorkerService):
    """Reads the exercise-completed topic into Postgres."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        projector: Projector,
        retry: RetryPolicy,
        metrics: Metrics,
        observer: Observer,
        settle_rules: Callable[[Connection], Awaitable[None]],
        commands_applied: Callable[[], Awaitable[None]],
    ) -> None:
        """`settle_rules` finds out which rule book is active, before anything is read.

        `commands_applied` raises TransientError until no older command is left to carry out.
        """
        super().__init__()
        self.kafka = KafkaContact("ingest", settings)
        self._settings = settings
        self._engine = engine
        self._projector = projector
        self._retry = retry
        self._metrics = metrics
        self._observer = observer
        self._settle_rules = settle_rules
        self._commands_applied = commands_applied
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions: PartitionConsumer | None = None
        self._assigned_at: float | None = None
        self._revoked_at: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the group has given this worker its partitions, which may be none."""
        return self._assigned_at is not None

    @property
    def client(self) -> AIOKafkaClient | None:
        """The consumer's Kafka client; None until there is one."""
        return self._consumer._client if self._consumer is not None else None

    async def on_stop(self) -> None:
        """Finish the batches in hand and leave the group, in little more than the drain timeout."""
        started = time.monotonic()
        await self._stop_reading()
        left = self._settings.drain_timeout_seconds - (time.monotonic() - started)
        await self._leave(max(_LEAVE_SECONDS, left))

    @Service.task
    async def _main(self) -> None:
        await self._retry.run("database", self._check_database)
        await self._retry.run("topic", self._check_topic)
        await self._retry.run("commands", self._commands_applied)
        await self._retry.run("group", self._join)
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            self._watch_partitions()

    @Service.task
    async def _watch_group(self) -> None:
        """End a client that is alive but does not consume, as some did after a broker restarted.

        The time in which the broker does not answer is no stall: once it answers again, the client
        has the whole limit again.
        """
        limit = self._settings.stall_timeout_seconds
        while not self.should_stop:
            await self.sleep(limit / 4)
            if self.kafka.steady_seconds < limit:
                continue
            if self._assigned_at is None:
                waited = time.monotonic() - (self._revoked_at or time.monotonic())
                waited = min(waited, self.kafka.steady_seconds)
                if waited > limit + self._settings.kafka_rebalance_timeout_seconds:
                    raise FatalError(f"The group gave no partitions for {waited:.0f} s.")
            elif self._partitions is not None and self._partitions.idle_seconds > limit:
                await self._check_starved(self._partitions)

    async def _check_starved(self, idle: PartitionConsumer) -> None:
        """Raises FatalError if Kafka holds records that the idle consumer did not get."""
        limit = self._settings.stall_timeout_seconds
        try:
            async with asyncio.timeout(self._settings.kafka_request_timeout_seconds):
                ends = await idle.ends()
        except (KafkaError, TimeoutError) as error:
            _log.warning("lag_unknown", error=type(error).__name__)
            return
        await self.sleep(min(_SECOND_LOOK_SECONDS, limit))  # records may be on their way
        if idle is not self._partitions or idle.idle_seconds <= limit:
            return
        if waiting := [tp.partition for tp in idle.before(ends)]:
            raise FatalError(f"Kafka holds records of partitions {waiting} that do not arrive.")

    async def _check_database(self) -> None:
        limit = self._settings.database_statement_timeout_seconds
        async with connect_for(self._engine, limit) as connection:
            await check_migrated(connection)
            await self._settle_rules(connection)
            await connection.commit()

    async def _check_topic(self) -> None:
        self.kafka.asked()
        counts = await partition_counts(self._settings)
        self.kafka.settled()
        if self._settings.completed_topic not in counts:
            raise TransientError(
                f"the topic {self._settings.completed_topic} does not exist yet: waiting for it "
                "(`progress-worker topics create` makes it)"
            )

    async def _join(self) -> None:
        consumer = AIOKafkaConsumer(**consumer_options(self._settings))
        self._consumer = consumer
        self.kafka.asked()
        try:
            async with asyncio.timeout(self._settings.kafka_request_timeout_seconds):
                await consumer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            self.kafka.failed(error)
            await self._leave(self._settings.drain_timeout_seconds)
            raise await unreachable(self._settings, error) from error
        consumer.subscribe([self._settings.completed_topic], listener=_Listener(self, consumer))
        self._revoked_at = time.monotonic()

    async def _leave(self, seconds: float) -> None:
        """Stop the consumer, if there is one, within a time limit: its stop may hang."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                async with asyncio.timeout(seconds):
                    await consumer.stop()
            except (TimeoutError, KafkaError) as error:
                _log.warning("leaving_group_failed", error=type(error).__name__)

    async def revoked(self) -> None:
        """End the partition consumer for a rebalance, even if its partitions come back."""
        if self._partitions is not None:
            self._metrics.rebalances.inc()
        await self._stop_reading()

    def assigned(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """The group gave this worker partitions, or none."""
        ordered = sorted(partitions)
        if ordered:
            self._partitions = PartitionConsumer(
                consumer,
                ordered,
                self._lanes(min(self._settings.lanes, len(ordered))),
                self._metrics,
                self._observer,
                batch_max_events=self._settings.batch_max_events,
                longest_wait_seconds=self._settings.batch_wait_seconds,
                request_timeout_seconds=self._settings.kafka_request_timeout_seconds,
            )
        self._assigned_at = time.monotonic()
        self._metrics.assigned_partitions.set(len(ordered))
        _log.info("partitions_assigned", partitions=[tp.partition for tp in ordered])

    def _lanes(self, count: int) -> Iterator[Lane]:
        for _ in range(count):
            yield Lane(
                self._projector,
                self._retry,
                self._observer,
                batch_max_events=self._settings.batch_max_events,
                time_limit_seconds=self._settings.database_statement_timeout_seconds,
            )

    async def _stop_reading(self) -> None:
        partitions, self._partitions = self._partitions, None
        self._assigned_at, self._revoked_at = None, time.monotonic()
        self._metrics.assigned_partitions.set(0)
        self._metrics.lag_events.clear()
        self._metrics.lag_seconds.clear()
        self._metrics.withheld_seconds.clear()
        if partitions is not None:
            await partitions.stop(self._settings.drain_timeout_seconds)

    def _watch_partitions(self) -> None:
        """Raise what ended the consumer, and FatalError if a part of it stood still too long."""
        partitions = self._partitions
        if partitions is None:
            return
        partitions.observe_lag()
        task = partitions.task
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
        for silent, where in partitions.silences():
            if silent > self._settings.stall_timeout_seconds:
                numbers = [tp.partition for tp in where]
                raise FatalError(f"No progress for {silent:.0f} s on partitions {numbers}.")


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, service: IngestService, consumer: AIOKafkaConsumer) -> None:
        self._service = service
        self._consumer = consumer

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        await self._service.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._service.assigned(self._consumer, assigned)
