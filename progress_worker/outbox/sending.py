"""Sends records to Kafka in whole batches.

The client's own `send` costs a lock, a future and a hash per record; a batch costs one of each. The
records of a partition are sent in their order, one batch after the other. After a failure that may
pass, no more of the partition's records are sent. So the records of a key arrive in order, except
for repeats. A batch that Kafka refuses for good is sent again record by record, to find the one at
fault.

Blocks until Kafka has answered, for each batch at most as long as the client's request timeout.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from progress_worker.kafka.clients import MAX_REQUEST_BYTES
from progress_worker.storage.write.outbox import PendingRecord

#: Errors that neither waiting nor another attempt mends.
REFUSED: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)

_partition_by_key: Final = DefaultPartitioner()


class _Batch(NamedTuple):
    builder: BatchBuilder
    records: list[PendingRecord]

    def take(self, waiting: PendingRecord) -> bool:
        """Add the record; False if there is no room for it."""
        record = waiting.record
        taken = self.builder.append(
            timestamp=None, key=record.key, value=record.value, headers=record.headers
        )
        if taken is not None:
            self.records.append(waiting)
        return taken is not None


class SendResult(NamedTuple):
    """What became of a record: `error` is None once Kafka has acknowledged it."""

    pending: PendingRecord
    error: KafkaError | None


async def send(producer: AIOKafkaProducer, pending: Iterable[PendingRecord]) -> list[SendResult]:
    """Send the records; those without a result were not tried."""
    by_topic: dict[str, list[PendingRecord]] = defaultdict(list)
    for waiting in pending:
        by_topic[waiting.record.topic].append(waiting)
    found = await asyncio.gather(
        *(_send_to_topic(producer, topic, records) for topic, records in by_topic.items())
    )
    return [outcome for outcomes in found for outcome in outcomes]


async def _send_to_topic(
    producer: AIOKafkaProducer, topic: str, pending: Sequence[PendingRecord]
) -> list[SendResult]:
    try:
        partitions = sorted(await producer.partitions_for(topic))
    except KafkaError as error:
        return [SendResult(waiting, error) for waiting in pending]
    by_partition: dict[int, list[PendingRecord]] = defaultdict(list)
    for waiting in pending:
        by_partition[_partition_of(waiting.record.key, partitions)].append(waiting)
    found = await asyncio.gather(
        *(
            _send_to_partition(producer, topic, partition, records)
            for partition, records in by_partition.items()
        )
    )
    return [outcome for outcomes in found for outcome in outcomes]


async def _send_to_partition(
    producer: AIOKafkaProducer, topic: str, partition: int, pending: Sequence[PendingRecord]
) -> list[SendResult]:
    """Send one batch after the other; leave out the rest after a failure that may pass."""
    outcomes: list[SendResult] = []
    waiting = deque(_batches(producer, pending))
    while waiting:
        batch = waiting.popleft()
        error = await _send_batch(producer, topic, partition, batch.builder)
        refused = isinstance(error, REFUSED)
        if refused and len(batch.records) > 1:
            singles = [found for record in batch.records for found in _batches(producer, [record])]
            waiting.extendleft(reversed(singles))
            continue
        outcomes += [SendResult(record, error) for record in batch.records]
        if error is not None and not refused:
            break
    return outcomes


async def _send_batch(
    producer: AIOKafkaProducer, topic: str, partition: int, builder: BatchBuilder
) -> KafkaError | None:
    if builder.size() > MAX_REQUEST_BYTES:
        return MessageSizeTooLargeError("the record is larger than a request may be")
    try:
        await (await producer.send_batch(builder, topic, partition=partition))
    except KafkaError as error:
        return error
    return None


def _batches(producer: AIOKafkaProducer, pending: Iterable[PendingRecord]) -> Iterator[_Batch]:
    """The records in order; the first one of a batch is taken whatever its size."""
    batch = _Batch(producer.create_batch(), [])
    for waiting in pending:
        if not batch.take(waiting):
            yield batch
            batch = _Batch(producer.create_batch(), [])
            batch.take(waiting)
    batch.builder.close()  # the client would wait for more records
    yield batch


def _partition_of(key: bytes | None, partitions: Sequence[int]) -> int:
    """The partition that Kafka's own clients choose by the key's hash; any without a key."""
    if key is None:
        return int(_partition_by_key(None, partitions, partitions))
    return partitions[_hash(key, len(partitions))]


@lru_cache(maxsize=10_000)
def _hash(key: bytes, count: int) -> int:
    return int(_partition_by_key(key, range(count), ()))
