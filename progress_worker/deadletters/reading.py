"""Reads a dead-letter topic from its oldest record to where it ended when reading began.

Every wait for the broker is limited by the request timeout. After that it raises TransientError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from progress_worker.deadletters.letters import Letter, read_letter
from progress_worker.deadletters.marks import Marks
from progress_worker.errors import TransientError
from progress_worker.kafka.clients import client_options, reading_options
from progress_worker.kafka.contact import unreachable
from progress_worker.kafka.header_names import accept_any_header_name
from progress_worker.kafka.reading import FETCH_MS, batches, ends
from progress_worker.kafka.topics import partition_counts
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings


class DeadLetters:
    """A dead-letter topic, and which of its records were already sent again."""

    def __init__(
        self,
        topic: str,
        consumer: AIOKafkaConsumer,
        marks: dict[int, Marks],
        *,
        time_limit_seconds: float,
    ) -> None:
        self.marks = marks
        self.topic = topic
        self._limit = time_limit_seconds
        self._consumer = consumer
        self._begins: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self.total = 0

    async def measure(self) -> None:
        """Find out where the partitions begin and end. `total` is the number of offsets between.

        There are fewer records if some offsets are control records.
        """
        self._ends = await ends(self._consumer, self._limit)
        for partition, end in self._ends.items():
            first = await self._consumer.position(partition)
            self.marks[partition.partition].skip_to(first)
            self._begins[partition] = first
            self.total += end - first

    async def letters(self) -> AsyncIterator[Letter]:
        """Every dead letter, in the order of each partition."""
        async for record in self.records():
            yield read_letter(record)

    async def records(self) -> AsyncIterator[ConsumerRecord]:
        """The record of every dead letter, in the order of each partition; again at each call.

        Marks the offsets between two dead letters: control, aborted and deleted records.
        """
        for partition, begin in self._begins.items():
            self._consumer.seek(partition, begin)
        reached = dict(self._begins)
        async for partition, records in batches(self._consumer, self._ends, self._limit):
            for record in records:
                self._pass_over(partition, reached[partition], record.offset)
                reached[partition] = record.offset + 1
                yield record
        for partition, end in self._ends.items():
            self._pass_over(partition, reached[partition], end)

    def _pass_over(self, partition: TopicPartition, first: int, end: int) -> None:
        self.marks[partition.partition].pass_over(first, end)

    async def commit(self) -> None:
        """Commit the marks to Kafka."""
        async with asyncio.timeout(self._limit):
            await self._consumer.commit(
                {
                    TopicPartition(self.topic, number): (marks.next_offset, marks.metadata)
                    for number, marks in self.marks.items()
                }
            )


@asynccontextmanager
async def open_dead_letters(settings: KafkaSettings, topic: str) -> AsyncIterator[DeadLetters]:
    """The dead letters of a topic as they are now.

    Raises TransientError if Kafka cannot be read.
    """
    limit = settings.kafka_request_timeout_seconds
    count = (await partition_counts(settings)).get(topic, 0)
    if not count:
        raise TransientError(
            f"The topic {topic} does not exist ({PREFIX}{_variable(settings, topic)}): run "
            "`progress-worker topics create`."
        )
    partitions = [TopicPartition(topic, number) for number in range(count)]
    accept_any_header_name()
    consumer = AIOKafkaConsumer(
        **reading_options(settings),
        group_id=redrive_group(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_MS,
    )
    try:
        marks = await _marks(settings, partitions)
        async with asyncio.timeout(limit):
            await consumer.start()
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
        dead_letters = DeadLetters(topic, consumer, marks, time_limit_seconds=limit)
        await dead_letters.measure()
        yield dead_letters
    except (KafkaError, TimeoutError, OSError) as error:
        raise await unreachable(settings, error) from error
    finally:
        async with asyncio.timeout(limit):
            await consumer.stop()


def _variable(settings: KafkaSettings, topic: str) -> str:
    commands = topic == settings.commands_dead_letter_topic
    return "COMMANDS_DEAD_LETTER_TOPIC" if commands else "DEAD_LETTER_TOPIC"


def redrive_group(settings: KafkaSettings) -> str:
    """The consumer group whose offsets mark what was sent again."""
    return f"{settings.consumer_group}-redrive"


async def _marks(settings: KafkaSettings, partitions: list[TopicPartition]) -> dict[int, Marks]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with asyncio.timeout(settings.kafka_request_timeout_seconds):
            await admin.start()
            committed: dict[
                TopicPartition, OffsetAndMetadata
            ] = await admin.list_consumer_group_offsets(
                redrive_group(settings), partitions=partitions
            )
    finally:
        await admin.close()
    return {
        partition.partition: Marks(max(0, found.offset), found.metadata or "")
        for partition, found in committed.items()
    }
