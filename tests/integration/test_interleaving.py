"""Another transaction commits while a learner is read: a conflict, never mixed data."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from typing import LiteralString

import psycopg
import pytest

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import apply
from progress_worker.embedded.database import Database
from progress_worker.errors import LearnerChangedError
from progress_worker.ingest.decode import Decoder
from progress_worker.storage.write.batches import key_of, load
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.saving import Changes, save
from tests.harness.events import Event, completed, records, wire
from tests.harness.storage import BOOK, BOOKS, Projection, fetch
from tests.harness.waiting import wait_until
from tests.integration.conftest import Project

pytestmark = pytest.mark.integration

ROUNDS = 5
LEARNERS = 100


def week(user_id: str) -> list[Event]:
    """Enough for a level, unlocks and a streak."""
    return [
        completed(user_id, completed_at=f"2026-03-{day:02}T10:00:00Z")
        for day in range(1, 8)
        for _ in range(2)
    ]


async def commit(connection: psycopg.AsyncConnection, events: list[Event]) -> None:
    """Apply the events as another worker would, on this connection."""
    arrivals = decoded(events)
    loaded = await load(connection, BOOKS, LearnerCache(0), Erasures(None), arrivals)
    unlocks = [
        unlock
        for arrival in arrivals
        for unlock in apply(
            BOOK, loaded.learners[arrival.user_id], arrival, loaded.stored.get(key_of(arrival))
        ).unlocks
    ]
    await save(
        connection,
        Changes(
            list(loaded.learners.values()),
            added=[arrival for arrival in arrivals if key_of(arrival) not in loaded.stored],
            revised=[arrival for arrival in arrivals if key_of(arrival) in loaded.stored],
            unlocks=unlocks,
        ),
    )
    await connection.commit()


def decoded(events: list[Event]) -> list[Completion]:
    decoder = Decoder(max_value_bytes=65_536, max_future_seconds=300)
    now = dt.datetime.now(dt.UTC)
    return [decoder.decode(r.key, r.value, r.headers, now).completion for r in records(*events)]


@pytest.mark.parametrize(
    "lock",
    [
        "LOCK TABLE learner_total",
        "LOCK TABLE skill_level",
        "LOCK TABLE achievement_unlock",
        "LOCK TABLE completion",
        "LOCK TABLE learner_day",
    ],
)
async def test_a_commit_between_two_reads(
    projected: Projection, migrated_database: Database, lock: LiteralString
) -> None:
    """A lock stops the batch after it has read the learners' rows; it reads the rest later."""
    url = migrated_database.owner_url
    old = week("known")
    await projected.apply(records(*old))
    projected.cache.clear()
    moved = old[0] | {"revision": 1, "completed_at": "2026-03-20T10:00:00Z"}
    late = completed("known", completed_at="2026-03-01T12:00:00Z")
    batch = records(completed("new"), late, old[0] | {"revision": 2, "grade": 1})
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as other:
        await other.execute(lock)
        applying = asyncio.create_task(projected.apply(batch))
        await wait_until(partial(waits, url), "the batch waits for the lock")
        await commit(other, [*week("new"), moved])
    with pytest.raises(LearnerChangedError):
        await applying
    await projected.apply(batch)
    assert fetch(
        url, "SELECT user_id, sum(completions) FROM learner_total GROUP BY user_id ORDER BY user_id"
    ) == [("known", 15), ("new", 15)]
    days = "SELECT user_id, sum(completions) FROM learner_day GROUP BY user_id ORDER BY user_id"
    assert fetch(url, days) == [("known", 15), ("new", 15)]


async def waits(url: str) -> bool:
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
    return len(fetch(url, waiting)) == 1


async def test_a_stale_cached_learner_is_a_conflict_before_the_rules_see_it(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    first, second = completed("ada"), completed("ada")
    await projected.apply(records(first))
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as other:
        await commit(other, [second])
    with pytest.raises(LearnerChangedError, match="while it was read"):
        await projected.apply(records(second | {"revision": 1, "revoked": True}))
    await projected.apply(records(second | {"revision": 1, "revoked": True}))
    assert fetch(url, "SELECT sum(completions) FROM learner_total") == [(1,)]


async def test_records_without_keys_bring_a_new_learner_to_every_consumer_at_once(
    project: Project, migrated_database: Database
) -> None:
    """Two workers with two partition consumers each, which read two partitions each."""
    url = migrated_database.owner_url

    async def read(worker: Projection) -> None:
        for number in range(ROUNDS):
            learners = [f"{number}-{learner}" for learner in range(LEARNERS)]
            batch = records(*(wire(completed(learner)) for learner in learners * 2))
            await worker.splitter.apply(batch)

    async with project(migrated_database) as one, project(migrated_database) as other:
        await asyncio.gather(*(read(worker) for worker in (one, one, other, other)))
    counts = "SELECT count(*), min(completions), max(completions) FROM learner_total"
    assert fetch(url, counts) == [(ROUNDS * LEARNERS, 8, 8)]
