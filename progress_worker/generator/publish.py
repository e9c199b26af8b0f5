"""Publishes generated records to the exercise-completed topic, at a rate or without a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from progress_worker.errors import TransientError
from progress_worker.generator.generator import GeneratedRecord
from progress_worker.kafka.clients import running_producer
from progress_worker.kafka.topics import partition_counts
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings

_CHUNK = 500
_CHUNKS_PER_SECOND = 20

#: Is called with the records that Kafka acknowledged, each with its place.
Acknowledged = Callable[[Sequence[tuple[GeneratedRecord, RecordMetadata]]], None]


async def publish(
    settings: KafkaSettings,
    records: Iterable[GeneratedRecord],
    acknowledged: Acknowledged,
    *,
    rate: float = 0,
) -> None:
    """Send the records in their order, `rate` a second (0: no limit), and wait for each.

    Raises TransientError when Kafka cannot be reached or does not acknowledge in time, and when
    the topic does not exist.
    """
    await _check_topic(settings)
    try:
        async with running_producer(settings) as producer:
            await _send_all(producer, settings, records, acknowledged, rate)
    except (KafkaError, TimeoutError, OSError) as error:
        raise TransientError(
            f"Kafka cannot be reached or does not acknowledge: {type(error).__name__}."
        ) from error


async def _send_all(
    producer: AIOKafkaProducer,
    settings: KafkaSettings,
    records: Iterable[GeneratedRecord],
    acknowledged: Acknowledged,
    rate: float,
) -> None:
    started, sent = time.monotonic(), 0
    size = max(1, min(_CHUNK, int(rate / _CHUNKS_PER_SECOND))) if rate else _CHUNK
    remaining = iter(records)
    while chunk := list(islice(remaining, size)):
        places = await _send(producer, settings, chunk)
        acknowledged(list(zip(chunk, places, strict=True)))
        sent += len(chunk)
        if rate:
            await asyncio.sleep(max(0.0, started + sent / rate - time.monotonic()))


async def _check_topic(settings: KafkaSettings) -> None:
    topic = settings.completed_topic
    if topic not in await partition_counts(settings):
        raise TransientError(
            f"The topic {topic} does not exist ({PREFIX}COMPLETED_TOPIC): run "
            "`progress-worker topics create`."
        )


async def _send(
    producer: AIOKafkaProducer, settings: KafkaSettings, chunk: Sequence[GeneratedRecord]
) -> list[RecordMetadata]:
    async with asyncio.timeout(2 * settings.kafka_request_timeout_seconds):
        sent = [
            await producer.send(
                settings.completed_topic,
                record.value,
                key=record.key,
                headers=list(record.headers),
            )
            for record in chunk
        ]
        return await asyncio.gather(*sent)
