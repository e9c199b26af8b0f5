"""Publishes a demo's records, waits until all are applied, and reads the results back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from progress_worker.demo import read as demo_read
from progress_worker.demo.check import Findings
from progress_worker.demo.display import DemoProgress, Display
from progress_worker.demo.programs import Programs
from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import FatalError
from progress_worker.events.models import AchievementUnlocked
from progress_worker.generator.generator import GeneratedRecord
from progress_worker.generator.publish import publish
from progress_worker.kafka.clients import client_options
from progress_worker.settings.worker import Settings

_LOOK_SECONDS: Final = 0.1
_STALL_SECONDS: Final = 60.0


class Journey:
    """Publishes the records and follows them to the end."""

    def __init__(
        self, settings: Settings, programs: Programs, display: Display, count: int
    ) -> None:
        self.sent: list[GeneratedRecord] = []
        self._settings = settings
        self._programs = programs
        self._display = display
        self._progress = DemoProgress(count)

    async def follow(self, records: Iterable[GeneratedRecord], rate: float) -> None:
        """Publish the records and return once Postgres and Kafka hold all their results.

        Raises FatalError when a part fails, or when nothing moves for a minute.
        """
        settings = self._settings
        publishing = asyncio.create_task(publish(settings, records, self._acknowledged, rate=rate))
        url = settings.database_url.get_secret_value()
        try:
            async with (
                _admin(settings) as admin,
                demo_read.reader(settings, settings.unlocked_topic) as unlocks,
                demo_read.database(url) as connection,
            ):
                with self._display.following(self._progress):
                    await self._watch(publishing, admin, unlocks, connection)
        except (KafkaError, TimeoutError, OSError) as error:
            raise FatalError(f"Kafka cannot be read: {type(error).__name__}.") from error
        finally:
            publishing.cancel()
            await asyncio.wait({publishing})

    def _acknowledged(self, chunk: Sequence[tuple[GeneratedRecord, RecordMetadata]]) -> None:
        self.sent += [record for record, _ in chunk]
        self._progress.published = len(self.sent)

    async def _watch(
        self,
        publishing: asyncio.Task[None],
        admin: AIOKafkaAdminClient,
        unlocks: AIOKafkaConsumer,
        connection: psycopg.AsyncConnection[Any],
    ) -> None:
        progress, moved_at = self._progress, time.monotonic()
        while True:
            self._programs.check()
            if publishing.done():
                publishing.result()
            before = (progress.published, progress.applied, progress.unlocks)
            progress.reached(await self._committed(admin))
            await self._read(unlocks)
            self._display.update(progress)
            if before != (progress.published, progress.applied, progress.unlocks):
                moved_at = time.monotonic()
            elif self._all_applied and not await demo_read.waiting(connection):
                return
            if time.monotonic() - moved_at > _STALL_SECONDS:
                raise self._programs.worker.failed(
                    f"Nothing has moved for {_STALL_SECONDS:.0f} seconds."
                )
            await asyncio.sleep(_LOOK_SECONDS)

    @property
    def _all_applied(self) -> bool:
        return len(self.sent) == self._progress.count and not self._progress.lag

    async def _committed(self, admin: AIOKafkaAdminClient) -> int:
        """How many records lie before the offsets that the worker has committed."""
        settings = self._settings
        async with asyncio.timeout(settings.kafka_request_timeout_seconds):
            offsets = await admin.list_consumer_group_offsets(
                settings.consumer_group,
                partitions=demo_read.partitions(settings, settings.completed_topic),
            )
        return sum(max(0, offset) for offset, _ in offsets.values())

    async def _read(self, unlocks: AIOKafkaConsumer) -> None:
        for part in (await unlocks.getmany(timeout_ms=0)).values():
            self._progress.unlocks += len(part)
            for record in part[-1:]:
                event = AchievementUnlocked.model_validate_json(record.value)
                self._progress.recent.append(f"{event.user_id}: {event.name} ({event.tier})")


async def find(
    settings: Settings, book: RuleBook, read_url: str, metrics: str | None, viewed: str
) -> Findings:
    """Read everything to compare, once the worker is done.

    `viewed` is the view's answer. `metrics` are the worker's, if it has counted all events.
    """
    counts = demo_read.ScrapedMetrics(metrics) if metrics is not None else None
    announced = await demo_read.read_topic(settings, settings.unlocked_topic)
    letters = await demo_read.read_topic(settings, settings.dead_letter_topic)
    async with demo_read.database(read_url) as connection:
        return Findings(
            outcomes=counts.by("progress_events_total", "outcome") if counts else None,
            learners=await demo_read.learners(connection, book),
            unlocks=await demo_read.unlocks(connection),
            announcements=[demo_read.announcement(record) for record in announced],
            letters=[demo_read.letter(record) for record in letters],
            viewed=demo_read.viewed(viewed),
            seconds=counts.value("progress_last_progress_timestamp_seconds")
            - await demo_read.first_commit(connection)
            if counts
            else 0.0,
        )


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
