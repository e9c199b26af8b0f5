"""Reads partitions that a consumer was given by hand up to where they end now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

#: How long the broker may hold a fetch back that finds nothing.
FETCH_MS: Final = 50


async def ends(consumer: AIOKafkaConsumer, limit_seconds: float) -> dict[TopicPartition, int]:
    """The offset after the last record, or control record, of each partition.

    Comes from a fetch, because the embedded broker answers the request for it wrongly. The next
    read begins where it would have begun before. Raises TimeoutError and KafkaError.
    """
    async with asyncio.timeout(limit_seconds):
        positions = {tp: await consumer.position(tp) for tp in consumer.assignment()}
        found: dict[TopicPartition, int] = {}
        while unknown := positions.keys() - found.keys():
            await consumer.getmany(*unknown, timeout_ms=FETCH_MS, max_records=1)
            known = {tp: consumer.last_stable_offset(tp) for tp in unknown}
            found |= {tp: end for tp, end in known.items() if end is not None}
    for tp, position in positions.items():
        consumer.seek(tp, position)
    return found


async def batches(
    consumer: AIOKafkaConsumer, until: Mapping[TopicPartition, int], limit_seconds: float
) -> AsyncIterator[tuple[TopicPartition, list[ConsumerRecord]]]:
    """The records from the consumer's positions up to these ends, some of one partition at a time.

    Raises TimeoutError when nothing arrives for the limit, and KafkaError.
    """
    before: dict[TopicPartition, int] = {}
    moved_at = time.monotonic()
    while waiting := await _unfinished(consumer, until, limit_seconds):
        if waiting != before:
            before, moved_at = waiting, time.monotonic()
        elif time.monotonic() - moved_at > limit_seconds:
            raise TimeoutError
        async with asyncio.timeout(limit_seconds):
            fetched = await consumer.getmany(*waiting, timeout_ms=FETCH_MS)
        for partition, records in fetched.items():
            if wanted := [record for record in records if record.offset < until[partition]]:
                yield partition, wanted


async def _unfinished(
    consumer: AIOKafkaConsumer, until: Mapping[TopicPartition, int], limit_seconds: float
) -> dict[TopicPartition, int]:
    """The positions of the partitions that have not been read to their end."""
    async with asyncio.timeout(limit_seconds):
        positions = {partition: await consumer.position(partition) for partition in until}
    return {tp: position for tp, position in positions.items() if position < until[tp]}
