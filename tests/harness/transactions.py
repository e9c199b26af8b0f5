"""A producer that writes in transactions, which need Apache Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from progress_worker.generator.wire import Wire
from tests.harness.events import Event, wires
from tests.harness.waiting import LIMIT_SECONDS

#: The broker aborts transactions that stay open for longer.
_LONGEST_MS = 300_000


class Transactions:
    """One transaction after another to one partition of a topic."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition

    async def begin(self, *events: Event | Wire) -> None:
        """Open a transaction and write these events into it."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._producer.begin_transaction()
            for wire in wires(events):
                await self._producer.send_and_wait(
                    self._topic,
                    wire.value,
                    key=wire.key,
                    headers=list(wire.headers),
                    partition=self._partition,
                )

    async def commit(self, *events: Event | Wire) -> None:
        """Commit these events, or the open transaction."""
        if events:
            await self.begin(*events)
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._producer.commit_transaction()

    async def abort(self, *events: Event | Wire) -> None:
        """Abort these events, or the open transaction."""
        if events:
            await self.begin(*events)
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._producer.abort_transaction()


@asynccontextmanager
async def transactions(
    bootstrap: str, topic: str, partition: int = 0
) -> AsyncIterator[Transactions]:
    """A producer with transactions; one that is open at the end is aborted."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=f"t-{uuid4().hex}",
        transaction_timeout_ms=_LONGEST_MS,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        await producer.start()
    try:
        yield Transactions(producer, topic, partition)
    finally:
        async with asyncio.timeout(LIMIT_SECONDS):
            await producer.stop()
