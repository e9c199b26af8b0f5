"""A producer of events at a steady rate, and a subscriber of the unlocks that follow."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.contestants.lineup import PARTITIONS
from bench.watch import TrialError
from bench.workload import in_binary_mode
from progress_worker.domain.completion import Completion
from progress_worker.settings.kafka import KafkaSettings

_TICK_SECONDS = 0.01
_SETTLE_SECONDS = 30.0
_CONNECT_SECONDS = 10
#: The embedded broker answers a waiting fetch when its time is over, not when a record comes.
_SUBSCRIBER_WAIT_MS = 5
_DONE: LiteralString = "SELECT (SELECT count(*) FROM completion), (SELECT count(*) FROM outbox)"

#: When something began and when it ended, as POSIX times.
Span = tuple[float, float]


class Line:
    """A producer of events and a subscriber of unlocks."""

    def __init__(
        self, settings: KafkaSettings, database_url: str, check: Callable[[], None]
    ) -> None:
        """`check` raises TrialError when the worker has ended."""
        self._check = check
        self._settings = settings
        self._database_url = database_url
        self._sent = 0
        self.unlocks: list[Span] = []

    async def __aenter__(self) -> Line:
        bootstrap = self._settings.kafka_bootstrap
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_SUBSCRIBER_WAIT_MS,
        )
        await self._producer.start()
        await self._consumer.start()
        topic = self._settings.unlocked_topic
        self._consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        self._subscriber = asyncio.create_task(self._subscribe())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._subscriber.cancel()
        await asyncio.wait({self._subscriber})
        async with asyncio.timeout(_SETTLE_SECONDS):
            await self._consumer.stop()
            await self._producer.stop()

    async def send(self, events: Iterator[Completion], rate: int) -> int:
        """Send the events at this rate, each stamped with its own instant; returns how many."""
        size = max(1, round(rate * _TICK_SECONDS))
        started, sent = time.monotonic(), 0
        acknowledgements = []
        while chunk := list(islice(events, size)):
            for event in chunk:
                now = dt.datetime.now(dt.UTC)
                wire = in_binary_mode(event._replace(completed_at=now))
                acknowledgements.append(
                    await self._producer.send(
                        self._settings.completed_topic,
                        wire.value,
                        key=wire.key,
                        headers=list(wire.headers),
                    )
                )
            sent += len(chunk)
            await asyncio.sleep(max(0.0, started + sent / rate - time.monotonic()))
        async with asyncio.timeout(_SETTLE_SECONDS):
            await asyncio.gather(*acknowledgements)
        self._sent += sent
        return sent

    async def settle(self) -> None:
        """Wait until all that was sent is committed and the outbox is empty."""
        await asyncio.to_thread(self._wait_for_database)
        await asyncio.sleep(1.0)  # the last unlocks are on their way to the subscriber

    def _wait_for_database(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        with psycopg.connect(
            self._database_url, autocommit=True, connect_timeout=_CONNECT_SECONDS
        ) as connection:
            while connection.execute(_DONE).fetchone() != (self._sent, 0):
                self._check()
                if time.monotonic() > deadline:
                    raise TrialError("it did not catch up with what was sent")
                time.sleep(0.2)

    def commits(self) -> list[Span]:
        """When each completion happened and when Postgres committed it."""
        with psycopg.connect(self._database_url, connect_timeout=_CONNECT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT extract(epoch FROM completed_at)::float8,"
                " extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM completion"
            ).fetchall()
        return [(completed, committed) for completed, committed in rows]

    async def _subscribe(self) -> None:
        async for record in self._consumer:
            now = time.time()
            unlocked_at = dt.datetime.fromisoformat(json.loads(record.value)["unlocked_at"])
            self.unlocks.append((unlocked_at.timestamp(), now))
