"""The ceiling: as little as can be done between Kafka and Postgres, as fast as we know how.

Batches of 5,000 are decoded while the one before is in the database; a batch is a binary COPY into
a temporary table and one set-based statement. It has no rules, unlocks, revisions, dead letters,
outbox, rebalances or retries, and any failure ends it.

    python -m bench.contestants.ceiling BOOTSTRAP DATABASE_URL GROUP TOPIC PARTITION,PARTITION,…
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json

from progress_worker.domain.calendar import zone

BATCH = 5_000
#: How long a thread may keep the interpreter while the other one waits for it.
SWITCH_SECONDS = 0.0005

_COLUMNS = {
    "user_id": "text",
    "event_id": "uuid",
    "exercise_id": "text",
    "topic": "text",
    "difficulty": "text",
    "grade_hundredths": "smallint",
    "time_spent_seconds": "integer",
    "hints_used": "smallint",
    "completed_at": "timestamptz",
    "timezone": "text",
    "local_day": "date",
}
_NAMES = ", ".join(_COLUMNS)
_ARRIVED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_TEMPORARY = f"CREATE TEMPORARY TABLE arrived ({_ARRIVED}) ON COMMIT DELETE ROWS"
_COPY = f"COPY arrived ({_NAMES}) FROM STDIN (FORMAT binary)"
_SUMS = "count(*) AS n, count(g) AS graded, coalesce(sum(g), 0) AS g, sum(s) AS s, sum(h) AS h"
_ADD = """
    completions = known.completions + excluded.completions,
    graded = known.graded + excluded.graded,
    grade_hundredths = known.grade_hundredths + excluded.grade_hundredths,
    time_spent_seconds = known.time_spent_seconds + excluded.time_spent_seconds,
    hints_used = known.hints_used + excluded.hints_used
"""
_FOLD = f"""
WITH fresh AS (
    INSERT INTO completion ({_NAMES}) SELECT {_NAMES} FROM arrived ON CONFLICT DO NOTHING
    RETURNING user_id, topic, local_day,
              grade_hundredths AS g, time_spent_seconds AS s, hints_used AS h
), day AS (
    SELECT user_id, local_day, {_SUMS} FROM fresh GROUP BY user_id, local_day
), days AS (
    INSERT INTO learner_day AS known SELECT * FROM day
    ON CONFLICT (user_id, local_day) DO UPDATE SET {_ADD}
), topics AS (
    INSERT INTO learner_topic AS known
    SELECT user_id, topic, {_SUMS} FROM fresh GROUP BY user_id, topic
    ON CONFLICT (user_id, topic) DO UPDATE SET {_ADD}
)
INSERT INTO learner AS known
SELECT user_id, sum(n), sum(graded), sum(g), sum(s), sum(h),
       range_agg(daterange(local_day, local_day + 1))
FROM day GROUP BY user_id
ON CONFLICT (user_id) DO UPDATE SET {_ADD}, active_days =
    CASE WHEN known.active_days @> excluded.active_days THEN known.active_days
         ELSE known.active_days + excluded.active_days END
"""

Row = tuple[Any, ...]


def decode(values: Sequence[bytes]) -> list[Row]:
    """The rows of a batch, sorted by key, which keeps inserts local."""
    rows = []
    for value in values:
        event = from_json(value)
        grade = event["grade"]
        completed_at = dt.datetime.fromisoformat(event["completed_at"])
        timezone = event["timezone"]
        rows.append(
            (
                event["user_id"],
                UUID(event["event_id"]),
                event["exercise_id"],
                event["topic"],
                event["difficulty"],
                None if grade is None else round(grade * 100),
                event["time_spent_seconds"],
                event["hints_used"],
                completed_at,
                timezone,
                completed_at.astimezone(zone(timezone)).date(),
            )
        )
    rows.sort(key=lambda row: (row[0], row[10]))
    return rows


def save(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
    """Store and add up one batch in one transaction."""
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(list(_COLUMNS.values()))
        for row in rows:
            copy.write_row(row)
    with connection.pipeline():
        connection.execute(_FOLD)
        connection.commit()


class Ceiling:
    """The loop: while one batch is in the database, the next one is decoded."""

    def __init__(self, consumer: AIOKafkaConsumer, connection: psycopg.Connection) -> None:
        self._consumer = consumer
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1)

    async def run(self) -> None:
        """Read and store until a signal ends the process."""
        before: asyncio.Task[None] | None = None
        while True:
            batch = await self._consumer.getmany(timeout_ms=200, max_records=BATCH)
            rows, offsets = self._prepare(batch)
            if before is not None and (rows or before.done()):
                await before
                before = None
            if rows:
                before = asyncio.create_task(self._store(rows, offsets))

    def _prepare(
        self, batch: Mapping[TopicPartition, Sequence[Any]]
    ) -> tuple[list[Row], dict[TopicPartition, int]]:
        rows = decode([record.value for records in batch.values() for record in records])
        return rows, {partition: records[-1].offset + 1 for partition, records in batch.items()}

    async def _store(self, rows: Sequence[Row], offsets: Mapping[TopicPartition, int]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, save, self._connection, rows)
        await self._consumer.commit(offsets)


async def main(bootstrap: str, url: str, group: str, topic: str, partitions: str) -> None:
    """Drain these partitions until a signal."""
    sys.setswitchinterval(SWITCH_SECONDS)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        check_crcs=False,
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TEMPORARY)
        connection.autocommit = False
        await consumer.start()
        consumer.assign([TopicPartition(topic, int(number)) for number in partitions.split(",")])
        await Ceiling(consumer, connection).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
