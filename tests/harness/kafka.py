"""The broker as tests use it: topics, records in one batch, everything in a topic."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.record.util import calc_crc32c

from progress_worker.generator.wire import Wire
from progress_worker.kafka.clients import READ_COMMITTED
from tests.harness.waiting import LIMIT_SECONDS, wait_until

_BATCH_BYTES = 1_000_000
#: Where a record batch has its checksum, and where the checked bytes begin (Kafka's format 2).
_CRC_AT, _CHECKED_FROM = 17, 21


class Kafka:
    """A broker at an address."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    async def create(self, *topics: str, partitions: int = 4) -> None:
        """Make topics."""
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics])

    async def delete(self, *topics: str) -> None:
        """Remove topics and all their records."""
        async with self._admin() as admin:
            await admin.delete_topics(list(topics))

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise the number of a topic's partitions."""
        async with self._admin() as admin:
            await admin.create_partitions({topic: NewPartitions(total)})

    async def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Remove the records before an offset of some partitions, as retention does."""
        async with self._admin() as admin:
            await admin.delete_records(
                {TopicPartition(topic, n): RecordsToDelete(end) for n, end in before.items()}
            )

    async def publish(
        self,
        topic: str,
        wires: Iterable[Wire],
        partition: int | None = None,
        *,
        timestamp: int | None = None,
    ) -> int:
        """Send records in as few batches as there are partitions; returns how many.

        Without a partition, records of one key go to one partition, in order. Without a timestamp
        (ms) they get that of now.
        """
        spread: dict[int, list[Wire]] = defaultdict(list)
        async with self._producer() as producer:
            count = len(await producer.partitions_for(topic))
            for wire in wires:
                chosen = zlib.crc32(wire.key or b"") % count if partition is None else partition
                spread[chosen].append(wire)
            for number, some in spread.items():
                await self._send(producer, topic, number, some, timestamp)
        return sum(map(len, spread.values()))

    async def publish_renamed(
        self, topic: str, partition: int, wires: Sequence[Wire], old: bytes, new: bytes
    ) -> None:
        """Send one batch with some bytes replaced, which no well-behaved client would do."""
        assert len(old) == len(new)
        async with self._producer() as producer:
            batch = producer.create_batch()
            for wire in wires:
                assert batch.append(
                    timestamp=None, key=wire.key, value=wire.value, headers=list(wire.headers)
                )
            sealed = bytearray(batch._build().replace(old, new))
            struct.pack_into(">I", sealed, _CRC_AT, calc_crc32c(bytes(sealed[_CHECKED_FROM:])))
            batch._buffer = sealed
            await _acknowledged(await producer.send_batch(batch, topic, partition=partition))

    async def read(
        self, topic: str, count: int, wanted: Callable[[Any], bool] = lambda _record: True
    ) -> list[Any]:
        """At least `count` of the wanted records, from the beginning of the topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            group_id=None,
            isolation_level=READ_COMMITTED,
        )
        found: list[Any] = []
        async with consumer:
            numbers = await wait_until(
                lambda: self._partitions(consumer, topic), f"{topic} has partitions"
            )
            consumer.assign([TopicPartition(topic, number) for number in numbers])
            try:
                async with asyncio.timeout(LIMIT_SECONDS):
                    while len(found) < count:
                        batches = await consumer.getmany(timeout_ms=200)
                        found += [r for batch in batches.values() for r in batch if wanted(r)]
            except TimeoutError:
                raise AssertionError(f"{topic} holds {len(found)}, not {count}") from None
        return found

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offsets that a group has committed, by partition."""
        async with self._member(group) as consumer, asyncio.timeout(LIMIT_SECONDS):
            partitions = [TopicPartition(topic, n) for n in await self._partitions(consumer, topic)]
            consumer.assign(partitions)
            offsets = {tp.partition: await consumer.committed(tp) for tp in partitions}
        return {number: offset for number, offset in offsets.items() if offset is not None}

    async def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Set an offset of a group that has no members, by joining it."""
        async with self._member(group) as consumer:
            consumer.subscribe([topic])

            async def joined() -> bool:
                return bool(consumer.assignment())

            await wait_until(joined, f"the group {group} is joined")
            await consumer.commit({TopicPartition(topic, partition): offset})

    def _member(self, group: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            isolation_level=READ_COMMITTED,
            session_timeout_ms=2000,
            heartbeat_interval_ms=200,
        )

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            enable_idempotence=False,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=4 * _BATCH_BYTES,
        )

    async def _send(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        wires: Sequence[Wire],
        timestamp: int | None,
    ) -> None:
        batch = producer.create_batch()
        for wire in wires:
            fields = {"key": wire.key, "value": wire.value, "headers": list(wire.headers)}
            if batch.append(timestamp=timestamp, **fields) is None:
                await _acknowledged(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                assert batch.append(timestamp=timestamp, **fields)
        await _acknowledged(await producer.send_batch(batch, topic, partition=partition))

    @staticmethod
    async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
        await consumer._client.force_metadata_update()
        return set(consumer.partitions_for_topic(topic) or ())


async def _acknowledged(sent: Any) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        await sent
