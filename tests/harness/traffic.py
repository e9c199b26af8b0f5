"""Sends generated events to the workers, whatever happens to the broker meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from random import Random
from uuid import UUID

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from progress_worker.domain.excuses import Excuse
from progress_worker.generator.excuses import GeneratedExcuse, grant_excuses
from progress_worker.generator.generator import GeneratedRecord, generate
from progress_worker.generator.wire import Wire
from progress_worker.kafka.clients import client_options, producer_options
from tests.harness.choosing import Choices
from tests.harness.outputs import find
from tests.harness.reconcile import reconcile
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

#: Before today, so that no completion lies in the future; the same on every run.
END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

_CHUNK = 25
_SEND_SECONDS = 15.0
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.2
_DRAIN_SECONDS = 90.0


class Traffic:
    """A seeded stream of records, sent to a deployment at a rate; it keeps what was sent.

    A chunk that was not acknowledged is sent again, as by a producer that lost the answer. So the
    workers may see it twice, but they see each learner's events in order.
    """

    def __init__(
        self,
        deployment: Deployment,
        seed: int,
        count: int = 3_000,
        learners: int = 60,
        *,
        broken_share: float = 0.01,
        fair: bool = False,
        records: Iterator[GeneratedRecord] | None = None,
    ) -> None:
        """`records` are sent instead of generated ones.

        With `fair`, some learners travel, missed days of some are excused by commands, and some
        set preferences.
        """
        self.sent: list[GeneratedRecord] = []
        #: The excuses that were sent.
        self.granted: list[Excuse] = []
        #: The partition and the offset of each sent record.
        self.places: list[tuple[int, int]] = []
        #: How many unlocks were lost, as it was found when the results were compared.
        self.lost = 0
        self._deployment = deployment
        self._settings = deployment.settings()
        self._ends: dict[int, int] = {}
        self._count = count
        self._records = records or generate(
            count,
            seed,
            learners,
            END,
            repeat_share=0.05,
            late_share=0.03,
            revision_share=0.04,
            broken_share=broken_share,
            traveller_share=0.3 if fair else 0.0,
        )
        #: Each excuse with how many records are sent before it.
        self._excuses: deque[tuple[int, GeneratedExcuse]] = deque()
        #: Preferences that are sent among them.
        self._choices = Choices((), seed, count)
        if fair:
            known = list(self._records)
            self._records = iter(known)
            done = [record.completion for record in known if record.completion]
            excuses = list(grant_excuses(done, seed))
            rng = Random(seed)
            turns = sorted(rng.randrange(count) for _ in excuses)
            self._excuses.extend(zip(turns, excuses, strict=True))
            self._choices = Choices({each.user_id for each in done}, seed, count)

    async def send(self, count: int | None = None, *, rate: float = 0) -> None:
        """Send the next `count` records, or all that are left, `rate` a second (0: no limit)."""
        waiting = list(islice(self._records, count))
        while waiting or any(self._due()):
            try:
                async with self._producer() as producer:
                    while waiting or any(self._due()):
                        await self._command(producer)
                        await self._send(producer, waiting[:_CHUNK])
                        del waiting[:_CHUNK]
                        await asyncio.sleep(_CHUNK / rate if rate else 0)
            except (KafkaError, TimeoutError, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left to send."""
        return len(self.sent) == self._count

    @property
    def scattered(self) -> frozenset[str]:
        """The learners with events in more than one partition."""
        partitions: dict[str, set[int]] = defaultdict(set)
        for record, (partition, _) in zip(self.sent, self.places, strict=True):
            if record.completion is not None:
                partitions[record.completion.user_id].add(partition)
        return frozenset(user_id for user_id, some in partitions.items() if len(some) > 1)

    def forget(self, kept: Callable[[int, int], bool]) -> int:
        """Forget the records that Kafka deleted, by partition and offset; returns how many."""
        left = [
            (record, place)
            for record, place in zip(self.sent, self.places, strict=True)
            if kept(*place)
        ]
        lost = len(self.sent) - len(left)
        self.sent, self.places = [record for record, _ in left], [place for _, place in left]
        return lost

    @asynccontextmanager
    async def flowing(self, *, rate: float) -> AsyncIterator[None]:
        """Send what is left inside `async with`, which ends once all of it is sent."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.send(rate=rate))
            yield

    def _due(self) -> tuple[list[GeneratedExcuse], list[Wire]]:
        """The excuses and the preferences whose turn has come."""
        sent = len(self.sent)
        return [excuse for turn, excuse in self._excuses if turn <= sent], self._choices.due(sent)

    async def _command(self, producer: AIOKafkaProducer) -> None:
        """Send what is due."""
        excuses, chosen = self._due()
        commands = [Wire(each.key, each.value, each.headers) for each in excuses] + chosen
        topic = self._deployment.commands
        async with asyncio.timeout(_SEND_SECONDS):
            sending = [
                await producer.send(topic, each.value, key=each.key, headers=list(each.headers))
                for each in commands
            ]
            await asyncio.gather(*sending)
        for _ in excuses:
            self.granted.append(self._excuses.popleft()[1].excuse)
        self._choices.acknowledge(len(chosen))

    async def _send(self, producer: AIOKafkaProducer, chunk: Sequence[GeneratedRecord]) -> None:
        topic = self._deployment.completed
        async with asyncio.timeout(_SEND_SECONDS):
            sending = [
                await producer.send(topic, r.value, key=r.key, headers=list(r.headers))
                for r in chunk
            ]
            placed = await asyncio.gather(*sending)
        self.sent += chunk
        self.places += [(place.partition, place.offset) for place in placed]
        for place in placed:
            self._ends[place.partition] = max(self._ends.get(place.partition, 0), place.offset + 1)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(**producer_options(self._settings))
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await producer.start()
            yield producer
        finally:
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()

    async def drained(self, limit_seconds: float = _DRAIN_SECONDS) -> None:
        """Wait until every record is committed, every command done, and the outbox empty."""
        await wait_until(self._excused, "all excuses are stored", limit_seconds)
        await wait_until(self._chosen, "all preferences are stored", limit_seconds)
        await wait_until(self._committed, "all offsets are committed", limit_seconds)
        await wait_until(self._published, "the outbox is empty", limit_seconds)

    async def differences(self) -> list[str]:
        """Drain, read everything back, and return the differences."""
        await self.drained()
        return await self.compared()

    async def compared(self) -> list[str]:
        """The differences now, without waiting."""
        found = await find(self._settings, self._deployment.database.owner_url)
        self.lost = len(set(found.losses))
        catalogue = self._deployment.catalogue.read_text(encoding="utf-8")
        preferences = self._choices.differences(self._deployment.database.owner_url)
        return preferences + reconcile(
            self.sent,
            found,
            catalogue=catalogue,
            topic=self._deployment.completed,
            excuses=self.granted,
            unordered=self.scattered,
        )

    async def _committed(self) -> bool:
        topic, group = self._deployment.completed, self._deployment.group
        # The embedded broker answers only for partitions that are named in the request.
        partitions = [TopicPartition(topic, number) for number in self._ends]
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await admin.start()
                committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
        except (KafkaError, TimeoutError, OSError):
            return False
        finally:
            await admin.close()
        return all(committed[place].offset >= self._ends[place.partition] for place in partitions)

    async def _excused(self) -> bool:
        if not self.granted:
            return True
        url = self._deployment.database.owner_url
        stored: dict[UUID, int] = dict(fetch(url, "SELECT excuse_id, revision FROM excuse"))
        return all(stored.get(each.excuse_id, -1) >= each.revision for each in self.granted)

    async def _chosen(self) -> bool:
        return self._choices.are_stored(self._deployment.database.owner_url)

    async def _published(self) -> bool:
        url = self._deployment.database.owner_url
        return not fetch(url, "SELECT 1 FROM outbox LIMIT 1")
