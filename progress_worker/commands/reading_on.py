"""Where reading commands begins, and when ingest may: by what the database knows.

Kafka's group remembers how far the commands were read, and a restored database may know less. So
each worker, before it joins the group, moves the group back to where the database is. No worker may
be running then: a group with members refuses it, and then the members began where they should.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, UnknownMemberIdError
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import FatalError, TransientError
from progress_worker.kafka.clients import reading_options
from progress_worker.kafka.contact import unreachable
from progress_worker.kafka.reading import FETCH_MS, batches, ends
from progress_worker.kafka.topics import partition_counts
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import WorkerService
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import check_migrated, connect_for
from progress_worker.storage.write import command_positions
from progress_worker.telemetry.metrics import Metrics

_log = structlog.get_logger()

_ASK_AGAIN_SECONDS: Final = 0.2
Offsets = Mapping[TopicPartition, int]


class ReadOn(WorkerService):
    """Starts before Faust's consumer does, and holds it back until the group stands right.

    The start waits for Postgres and Kafka as long as it takes.
    """

    def __init__(
        self, settings: Settings, engine: AsyncEngine, retry: RetryPolicy, metrics: Metrics
    ) -> None:
        super().__init__()
        self._settings = settings
        self._engine = engine
        self._retry = retry
        self._metrics = metrics
        self._limit = settings.kafka_request_timeout_seconds
        self._to_do: Offsets = {}

    async def on_start(self) -> None:
        """Move the group back where the database is behind it. A stop ends the wait."""
        try:
            await self.wait(self._retry.run("commands", self._begin))
        except FatalError as error:
            await self.crash(error)

    async def wait_until_applied(self) -> None:
        """Return once every command that Kafka held at the start is applied.

        What an erasure or an excuse decides about a completion is known then, before the completion
        is read. Raises TransientError, also after a while of waiting: then call it again.
        """
        if not self._to_do:
            return
        until = time.monotonic() + self._settings.retry_max_wait_seconds
        async with _reading(self._settings) as consumer:
            while left := await _not_reached(consumer, self._to_do):
                if time.monotonic() > until:
                    raise TransientError(
                        f"commands of the partitions {left} are carried out before exercises are "
                        "read"
                    )
                await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _begin(self) -> None:
        async with _reading(self._settings) as consumer:
            await self._move_back(consumer)
            self._to_do = await _after_last(consumer, self._limit)

    async def _move_back(self, consumer: AIOKafkaConsumer) -> None:
        limit = self._settings.database_statement_timeout_seconds
        async with asyncio.timeout(self._limit):
            committed = await _committed(consumer)
        async with connect_for(self._engine, limit) as connection:
            await check_migrated(connection)
            stored = await command_positions.read(connection, self._settings.commands_topic)
        behind = {tp: end for tp, end in committed.items() if stored.get(tp.partition, 0) < end}
        if not behind:
            return
        async with asyncio.timeout(self._limit):
            oldest = await consumer.beginning_offsets([*behind])
        back = {tp: max(stored.get(tp.partition, 0), oldest[tp]) for tp in behind}
        if await self._moved(consumer, back):
            self._report(back, stored, oldest)

    async def _moved(self, consumer: AIOKafkaConsumer, offsets: Offsets) -> bool:
        """Move the group; False if it has members, who read on from where they are.

        A member that ended without leaving is one for as long as its session lasts.
        """
        until = time.monotonic() + 2 * self._settings.kafka_session_timeout_seconds
        while True:
            try:
                async with asyncio.timeout(self._limit):
                    await consumer.commit(dict(offsets))
            except (CommitFailedError, UnknownMemberIdError) as error:
                if time.monotonic() > until:
                    _log.warning(
                        "commands_not_read_again",
                        partitions=sorted(tp.partition for tp in offsets),
                        error=type(error).__name__,
                        meaning="other workers are running: if the database was restored, stop "
                        "them all before you start one",
                    )
                    return False
            else:
                return True
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    def _report(self, back: Offsets, stored: Mapping[int, int], oldest: Offsets) -> None:
        for tp, offset in back.items():
            _log.warning("commands_read_again", partition=tp.partition, from_offset=offset)
            if tp.partition in stored and stored[tp.partition] < oldest[tp]:
                self._metrics.offset_resets.inc()
                _log.error(
                    "records_lost",
                    partition=tp.partition,
                    expected_offset=stored[tp.partition],
                    meaning="Kafka has deleted commands that this database may never have seen",
                )


async def _committed(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The group's offsets; partitions without one, whose oldest command is read next, are left."""
    found = {tp: await consumer.committed(tp) for tp in consumer.assignment()}
    return {tp: offset for tp, offset in found.items() if offset is not None}


async def _after_last(consumer: AIOKafkaConsumer, limit: float) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition that the group has not read.

    Control records may come after it, which nobody reads.
    """
    await _seek(consumer)
    until = await ends(consumer, limit)
    return {tp: records[-1].offset + 1 async for tp, records in batches(consumer, until, limit)}


async def _seek(consumer: AIOKafkaConsumer) -> None:
    committed = await _committed(consumer)
    for tp, offset in committed.items():
        consumer.seek(tp, offset)
    if others := [tp for tp in consumer.assignment() if tp not in committed]:
        await consumer.seek_to_beginning(*others)


async def _not_reached(consumer: AIOKafkaConsumer, wanted: Offsets) -> list[int]:
    committed = await _committed(consumer)
    return sorted(tp.partition for tp, end in wanted.items() if committed.get(tp, 0) < end)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all commands that has the group's name and does not join it.

    Without the topic it reads nothing. Raises TransientError.
    """
    topic = settings.commands_topic
    limit = settings.kafka_request_timeout_seconds
    count = (await partition_counts(settings)).get(topic, 0)
    consumer = AIOKafkaConsumer(
        **reading_options(settings),
        group_id=settings.commands_group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_MS,
    )
    try:
        async with asyncio.timeout(limit):
            await consumer.start()
        consumer.assign([TopicPartition(topic, number) for number in range(count)])
        yield consumer
    except (KafkaError, TimeoutError, OSError) as error:
        raise await unreachable(settings, error) from error
    finally:
        async with asyncio.timeout(limit):
            await consumer.stop()
