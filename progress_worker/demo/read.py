"""Reads back what a demo's worker did: from its metrics, Postgres, Kafka and the HTTP view."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import psycopg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from progress_worker import USER_AGENT
from progress_worker.demo.check import Announcement, ViewedLearner
from progress_worker.demo.sent import EarnedAchievement, RefusedRecord
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.errors import FatalError
from progress_worker.events.models import AchievementUnlocked
from progress_worker.kafka.clients import reading_options
from progress_worker.settings.kafka import KafkaSettings
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.learners import load_whole

READ_SECONDS: Final = 20.0
_FETCH_MS: Final = 100

_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_LEARNERS: Final = "SELECT user_id FROM learner"
_UNLOCKS: Final = (
    "SELECT user_id, achievement_id, occurrence, generation, triggering_event_id "
    "FROM achievement_unlock"
)
_FIRST_COMMIT: Final = "SELECT extract(epoch FROM min(stored_at))::float FROM completion"


class ScrapedMetrics:
    """The worker's metrics at one moment."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def value(self, name: str) -> float:
        """The sum over all labels; 0 when there is no such sample."""
        return sum(sample.value for sample in self._samples if sample.name == name)

    def by(self, name: str, label: str) -> Counter[str]:
        """The values per value of a label."""
        return Counter(
            {s.labels[label]: int(s.value) for s in self._samples if s.name == name and s.value}
        )


async def get(url: str, token: str | None = None) -> str:
    """A page's body. Raises FatalError for any answer but 200 and when there is none in time."""
    headers = {"User-Agent": USER_AGENT}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    limit = aiohttp.ClientTimeout(total=READ_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, headers=headers) as response,
        ):
            if response.status == 200:
                return await response.text()
            raise FatalError(f"{url} answers {response.status}.")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FatalError(f"{url} does not answer: {type(error).__name__}.") from error


async def read_topic(
    settings: KafkaSettings, topic: str, *, limit_seconds: float = READ_SECONDS
) -> list[ConsumerRecord]:
    """All records of a topic up to its end at this moment. Raises FatalError.

    The end is what a fetch says: the embedded broker answers the question for it wrongly.
    """
    records: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(limit_seconds), reader(settings, topic) as consumer:
            while not await _at_end(consumer):
                for part in (await consumer.getmany(timeout_ms=_FETCH_MS)).values():
                    records += part
    except (KafkaError, TimeoutError, OSError) as error:
        raise FatalError(f"{topic} cannot be read: {type(error).__name__}.") from error
    return records


@asynccontextmanager
async def reader(settings: KafkaSettings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group that reads a topic from its beginning."""
    consumer = AIOKafkaConsumer(
        **reading_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=_FETCH_MS
    )
    try:
        await consumer.start()
        consumer.assign(partitions(settings, topic))
        yield consumer
    finally:
        # Without its broker the client passes on the cancellation of a task of its own.
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.wait({stopping})
        if not stopping.cancelled():
            stopping.result()


def partitions(settings: KafkaSettings, topic: str) -> list[TopicPartition]:
    """The partitions of one of our topics."""
    return [TopicPartition(topic, number) for number in range(settings.topic_partitions)]


async def _at_end(consumer: AIOKafkaConsumer) -> bool:
    for partition in consumer.assignment():
        end = consumer.last_stable_offset(partition)
        if end is None or await consumer.position(partition) < end:
            return False
    return True


def announcement(record: ConsumerRecord) -> Announcement:
    """What a record of the achievement-unlocked topic says."""
    event = AchievementUnlocked.model_validate_json(record.value)
    unlock = EarnedAchievement(
        event.user_id,
        event.achievement_id,
        event.occurrence,
        event.generation,
        event.triggering_event_id,
    )
    ce_id = dict(record.headers).get("ce_id", b"").decode()
    return Announcement(record.key, ce_id, str(event.event_id), unlock)


def letter(record: ConsumerRecord) -> RefusedRecord:
    """What a record of the dead-letter topic says, without what was added but the reason."""
    headers = tuple(record.headers)
    sent = tuple(header for header in headers if not header[0].startswith("dlq."))
    reason = dict(headers).get("dlq.reason", b"none").decode()
    return RefusedRecord(reason, record.key, record.value, sent)


@asynccontextmanager
async def database(url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection whose statements end in time. Raises FatalError for what Postgres refuses."""
    options = f"-c statement_timeout={int(READ_SECONDS * 1000)}"
    try:
        async with await psycopg.AsyncConnection.connect(
            url, connect_timeout=int(READ_SECONDS), options=options, autocommit=True
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise FatalError(f"Postgres cannot be read: {type(error).__name__}.") from error


async def learners(
    connection: psycopg.AsyncConnection[Any], book: RuleBook, query: str = _LEARNERS
) -> dict[str, LearnerState]:
    """The learners whose ids the query gives, with every day, as they are at one moment."""
    async with connection.transaction():
        await connection.execute(_SNAPSHOT)
        users = {user_id for (user_id,) in await _rows(connection, query)}
        return await load_whole(connection, RuleBooks(book), users)


async def unlocks(connection: psycopg.AsyncConnection[Any]) -> list[EarnedAchievement]:
    """Every unlock in Postgres."""
    return [EarnedAchievement(*row) for row in await _rows(connection, _UNLOCKS)]


async def first_commit(connection: psycopg.AsyncConnection[Any]) -> float:
    """When the first transaction that stored a completion began, as POSIX time."""
    ((began,),) = await _rows(connection, _FIRST_COMMIT)
    return float(began or 0)


async def waiting(connection: psycopg.AsyncConnection[Any]) -> int:
    """How many records Postgres still owes to Kafka."""
    ((count,),) = await _rows(connection, "SELECT count(*) FROM outbox")
    return int(count)


async def _rows(connection: psycopg.AsyncConnection[Any], statement: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement.encode())).fetchall()


def viewed(body: str) -> ViewedLearner:
    """What the view's `/api/progress` says."""
    answer = json.loads(body)
    return ViewedLearner(
        user_id=answer["user_id"],
        exercises_completed=answer["exercises_completed"],
        time_spent_seconds=answer["time_spent_seconds"],
        hints_used=answer["hints_used"],
        average_grade=answer["average_grade"],
        longest_streak=answer["streak"]["longest"],
        achievements=answer["achievements"]["unlocked"],
    )
