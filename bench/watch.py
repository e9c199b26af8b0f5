"""Watches from outside how a contestant drains its backlog."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.contestants.lineup import GROUP, TOPIC
from bench.usage import ProcessorTime, Usage

_POLL_SECONDS = 0.02
_CONNECT_SECONDS = 10


class TrialError(Exception):
    """A contestant ended by itself or did not finish in time."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a contestant used between its first and its last commit."""

    events: int
    seconds: float
    processor: ProcessorTime
    resident_bytes: int
    load_average: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def others(self) -> float:
        """How many cores other programs used."""
        return self.processor.others / self.seconds


@dataclass(frozen=True, slots=True)
class TopicBacklog:
    """The topic of the backlog, and how many records each partition holds."""

    bootstrap: str
    database_url: str
    counts: Sequence[int]


class Watch:
    """Measures from the first commit of offsets until nothing is left to do.

    What was committed when the clock started does not count.
    """

    def __init__(self, backlog: TopicBacklog, usage: Usage, check: Callable[[], None]) -> None:
        """`check` raises TrialError when the contestant has ended."""
        self._backlog = backlog
        self._usage = usage
        self._check = check
        self._wanted = {
            TopicPartition(TOPIC, number): count for number, count in enumerate(backlog.counts)
        }
        self._resident = 0

    async def run(self, limit_seconds: float, *, drains_outbox: bool) -> Measurement:
        """Watch until the end. Raises TrialError if that does not come in time."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._backlog.bootstrap)
        try:
            async with asyncio.timeout(limit_seconds):
                await admin.start()
                return await self._measure(admin, drains_outbox=drains_outbox)
        except TimeoutError:
            raise TrialError(f"it did not finish within {limit_seconds:.0f} s") from None
        finally:
            await admin.close()

    async def _measure(self, admin: AIOKafkaAdminClient, *, drains_outbox: bool) -> Measurement:
        total = sum(self._backlog.counts)
        while not (before := await self._committed(admin)):
            await self._pause()
        if before == total:
            raise TrialError("its first commit was its last: give it more work")
        started, processor = time.perf_counter(), self._usage.processor_time()
        while await self._committed(admin) < total:
            await self._pause()
        while drains_outbox and not self._outbox_is_empty():
            await self._pause()
        seconds = time.perf_counter() - started
        return Measurement(
            events=total - before,
            seconds=seconds,
            processor=self._usage.processor_time().since(processor),
            resident_bytes=self._resident,
            load_average=os.getloadavg()[0],
        )

    async def _pause(self) -> None:
        self._check()
        self._resident = max(self._resident, self._usage.resident_bytes())
        await asyncio.sleep(_POLL_SECONDS)

    async def _committed(self, admin: AIOKafkaAdminClient) -> int:
        """How many records the group has committed; 0 if the group does not exist yet."""
        offsets = await admin.list_consumer_group_offsets(GROUP, partitions=list(self._wanted))
        return sum(
            min(self._wanted[partition], max(0, offset.offset))
            for partition, offset in offsets.items()
        )

    def _outbox_is_empty(self) -> bool:
        with psycopg.connect(
            self._backlog.database_url, connect_timeout=_CONNECT_SECONDS
        ) as connection:
            row = connection.execute("SELECT NOT EXISTS (SELECT FROM outbox)").fetchone()
        return bool(row and row[0])
