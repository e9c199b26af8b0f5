"""Puts a backlog into Kafka, in whole batches, as fast as the broker takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from progress_worker.generator.wire import Wire

_LIMIT_SECONDS = 60.0
_BATCH_BYTES = 256 * 1024


async def publish_backlog(
    bootstrap: str, topic: str, partitions: int, records: Sequence[Wire]
) -> list[int]:
    """Send the records to the partitions of their keys; returns how many each partition got.

    Raises KafkaError, and TimeoutError after a minute.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES, acks=1)
    async with asyncio.timeout(_LIMIT_SECONDS), producer:
        parts = _by_partition(records, partitions)
        for number, part in enumerate(parts):
            await _send(producer, topic, number, part)
    return [len(part) for part in parts]


def _by_partition(records: Sequence[Wire], partitions: int) -> list[list[Wire]]:
    numbers = list(range(partitions))
    choose = cache(lambda key: int(DefaultPartitioner()(key, numbers, numbers)))
    parts: list[list[Wire]] = [[] for _ in numbers]
    for record in records:
        parts[choose(record.key)].append(record)
    return parts


async def _send(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Wire]
) -> None:
    batch: BatchBuilder = producer.create_batch()
    acknowledgements = []
    for record in records:
        fields = {"key": record.key, "value": record.value, "headers": list(record.headers)}
        if batch.append(timestamp=None, **fields) is None:
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, **fields)
    if batch.record_count():
        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledgements)
