"""A record takes effect in Postgres exactly once, despite repeats, disorder, cuts and crashes."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import PoisonError, TransientError
from progress_worker.generator.generator import generate
from tests.harness.events import Event, Record, completed, records
from tests.harness.storage import Projection, Rows, execute, fetch, progress

pytestmark = pytest.mark.integration

Project = Callable[[Database], AbstractAsyncContextManager[Projection]]
Fresh = Callable[[], AbstractAsyncContextManager[tuple[Projection, str]]]

END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.fixture
def fresh(postgres: Postgres, migrated_template: str, project: Project) -> Fresh:
    """Makes another database and the parts that fill it, for comparisons."""

    @asynccontextmanager
    async def new() -> AsyncIterator[tuple[Projection, str]]:
        name = f"fresh_{random.SystemRandom().getrandbits(48):x}"
        database = postgres.create_database(name, migrated_template)
        try:
            async with project(database) as parts:
                yield parts, database.owner_url
        finally:
            postgres.drop_database(name)

    return new


def generated(count: int, seed: int) -> list[Record]:
    """Records of a few learners with repeats, late ones, regrades, revocations, broken ones."""
    stream = generate(
        count,
        seed,
        6,
        END,
        repeat_share=0.1,
        late_share=0.1,
        revision_share=0.2,
        broken_share=0.05,
    )
    return [
        Record(sent.key, sent.value, sent.headers, offset) for offset, sent in enumerate(stream)
    ]


def cuts(batch: Sequence[Record], rng: random.Random, largest: int) -> list[Sequence[Record]]:
    pieces, at = [], 0
    while at < len(batch):
        size = rng.randint(1, largest)
        pieces.append(batch[at : at + size])
        at += size
    return pieces


def outbox(url: str) -> Rows:
    return fetch(url, "SELECT topic, key, value FROM outbox ORDER BY topic, key, value")


def unlock_messages(url: str) -> Rows:
    return fetch(
        url, "SELECT key, value FROM outbox WHERE topic LIKE '%unlocked' ORDER BY key, value"
    )


async def test_a_batch_applied_twice_changes_nothing(
    projected: Projection, migrated_database: Database
) -> None:
    batch = generated(400, 1)
    await projected.apply(batch)
    before = progress(migrated_database.owner_url)
    unlocks = fetch(
        migrated_database.owner_url, "SELECT * FROM outbox WHERE topic LIKE '%unlocked'"
    )
    assert before["completion"]
    assert unlocks
    await projected.apply(batch)
    assert progress(migrated_database.owner_url) == before
    assert unlocks == fetch(
        migrated_database.owner_url, "SELECT * FROM outbox WHERE topic LIKE '%unlocked'"
    )


@pytest.mark.parametrize(("seed", "largest"), [(2, 3), (3, 20), (4, 90)])
async def test_any_cut_into_batches_gives_the_same_rows(
    fresh: Fresh, seed: int, largest: int
) -> None:
    batch = generated(300, seed)
    async with fresh() as (whole, url):
        await whole.apply(batch)
        expected, sent = progress(url), unlock_messages(url)
    async with fresh() as (cut, url):
        for piece in cuts(batch, random.Random(seed), largest):
            await cut.apply(piece)
        assert progress(url) == expected
        assert unlock_messages(url) == sent


@pytest.mark.parametrize("seed", [5, 6])
async def test_any_order_and_repeats_give_the_same_progress(fresh: Fresh, seed: int) -> None:
    batch = generated(300, seed)
    rng = random.Random(seed)
    shuffled = [*batch, *rng.sample(batch, 100)]
    rng.shuffle(shuffled)
    async with fresh() as (ordered, url):
        await ordered.apply(batch)
        expected = progress(url, any_order=True)
    async with fresh() as (disordered, url):
        for piece in cuts(shuffled, rng, 40):
            await disordered.apply(piece)
        found = progress(url, any_order=True)
    # Unlocks may differ because events are revoked; everything else must be equal.
    del found["achievement_unlock"], expected["achievement_unlock"]
    assert levels_above_beginner(found.pop("skill_level")) == levels_above_beginner(
        expected.pop("skill_level")
    )
    assert found == expected


def levels_above_beginner(rows: Rows) -> Rows:
    """A topic without a row is at beginner, and so is one that fell back to it."""
    return [row for row in rows if row[-1] != "beginner"]


async def test_two_workers_on_the_same_learners_apply_each_event_once(
    fresh: Fresh, project: Project, postgres: Postgres
) -> None:
    """Like a zombie and its successor: each has cached learners that the other changes."""
    batch = generated(400, 7)
    rng = random.Random(7)
    async with fresh() as (alone, url):
        await alone.apply(batch)
        expected = progress(url, any_order=True)
    async with (
        fresh() as (one, url),
        project(postgres.database(url.rpartition("/")[2])) as other,
    ):
        for worker, part in ((one, batch[:100]), (other, batch[100:200]), (one, batch[200:300])):
            await apply_all(worker, [part])
        assert retries(one) > 0  # its learners were out of date
        async with asyncio.TaskGroup() as group:
            for worker in (one, other):
                group.create_task(apply_all(worker, cuts(batch, rng, 25)))
        found = progress(url, any_order=True)
        assert len(unlock_messages(url)) == len(found["achievement_unlock"])
    assert found == expected


async def apply_all(worker: Projection, pieces: Sequence[Sequence[Record]]) -> None:
    for piece in pieces:
        await worker.splitter.apply(piece)


def retries(worker: Projection) -> float:
    return (
        worker.metrics.registry.get_sample_value("progress_retries_total", {"part": "ingest"})
        or 0.0
    )


async def test_a_revision_before_the_original(
    projected: Projection, migrated_database: Database
) -> None:
    first = completed("ada", grade=10, topic="sets")
    corrected = first | {"grade": 90, "topic": "graphs", "revision": 2, "difficulty": "hard"}
    between = first | {"grade": 50, "revision": 1}
    for event in (corrected, first, between):
        await projected.apply(records(event))
    url = migrated_database.owner_url
    assert fetch(url, "SELECT revision, topic, grade_hundredths FROM completion") == [
        (2, "graphs", 9000)
    ]
    assert fetch(
        url, "SELECT topic, difficulty, completions, grade_hundredths FROM learner_total"
    ) == [("graphs", "hard", 1, 9000)]


async def test_a_revocation_takes_everything_back_but_the_unlock(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    event = completed("ada")
    await projected.apply(records(event))
    await projected.apply(records(event | {"revision": 1, "revoked": True}))
    found = progress(url)
    assert found["learner_total"] == found["learner_day"] == []
    assert fetch(url, "SELECT active_days::text FROM learner") == [("{}",)]
    assert fetch(url, "SELECT achievement_id FROM achievement_unlock") == [("first",)]
    assert fetch(url, "SELECT revoked FROM completion") == [(True,)]
    await projected.apply(records(event | {"revision": 2}))
    assert fetch(url, "SELECT completions FROM learner_total") == [(1,)]
    assert fetch(url, "SELECT active_days::text FROM learner") == [("{[2026-03-02,2026-03-03)}",)]
    assert fetch(url, "SELECT count(*) FROM outbox") == [(1,)]


def named(timezone: str | None, hour: int, **changes: object) -> Event:
    at = f"2026-03-02T{hour:02}:00:00Z"
    return completed("ada", completed_at=at, timezone=timezone, **changes)


@pytest.mark.parametrize("together", [True, False])
async def test_a_revoked_zone_gives_way_to_the_latest_that_is_left(
    projected: Projection, migrated_database: Database, together: bool
) -> None:
    events = [
        named("Asia/Tokyo", 8),
        named("Europe/Berlin", 9),
        named(None, 11),
        latest := named("America/Lima", 10),
    ]
    revoked = latest | {"revision": 1, "revoked": True}
    batches = [[*events, revoked]] if together else [[event] for event in (*events, revoked)]
    for batch in batches:
        await projected.apply(records(*batch))
    assert zone(migrated_database) == [("Europe/Berlin",)]
    await projected.apply(records(named("Asia/Tokyo", 7)))
    assert zone(migrated_database) == [("Europe/Berlin",)]
    await projected.apply(
        records(*(event | {"revision": 1, "revoked": True} for event in events[:2]))
    )
    assert zone(migrated_database) == [("Asia/Tokyo",)]


async def test_the_only_zone_revoked_leaves_none(
    projected: Projection, migrated_database: Database
) -> None:
    event = named("Asia/Tokyo", 8)
    await projected.apply(records(event))
    await projected.apply(records(event | {"revision": 1, "revoked": True}))
    assert zone(migrated_database) == [(None,)]


def zone(database: Database) -> Rows:
    return fetch(database.owner_url, "SELECT timezone FROM learner")


async def test_an_unlock_and_its_message_come_once(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    event = completed("ada")
    for revision in range(4):
        change = {"revision": revision, "revoked": bool(revision % 2)}
        await projected.apply(records(event | change))
    assert fetch(url, "SELECT triggering_event_id::text FROM achievement_unlock") == [
        (event["event_id"],)
    ]
    assert len(outbox(url)) == 1


async def test_a_connection_lost_before_the_commit_leaves_nothing(
    projected: Projection, migrated_database: Database
) -> None:
    """A lock stops the batch in the middle of its transaction; then its session is ended."""
    url = migrated_database.owner_url
    await projected.apply(records(completed("ada")))
    before = progress(url), outbox(url)
    batch = records(completed("ada"), completed("ada"), completed("bob"))
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE achievement_unlock IN SHARE MODE")
        applying = asyncio.create_task(projected.apply(batch))
        victim = await blocked_session(url)
        assert (progress(url), outbox(url)) == before
        execute(url, "SELECT pg_terminate_backend(%s)", victim)
        with pytest.raises(TransientError):
            await applying
    assert (progress(url), outbox(url)) == before
    await projected.splitter.apply(batch)
    assert completions(url) == [
        ("ada", 3),
        ("bob", 1),
    ]
    assert len(outbox(url)) == fetch(url, "SELECT count(*) FROM achievement_unlock")[0][0] == 3


def completions(url: str) -> Rows:
    return fetch(
        url, "SELECT user_id, sum(completions) FROM learner_total GROUP BY user_id ORDER BY user_id"
    )


async def blocked_session(url: str) -> int:
    """The process of the session that waits for a lock."""
    async with asyncio.timeout(20):
        while True:
            waiting = fetch(
                url,
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()",
            )
            if waiting:
                return int(waiting[0][0])
            await asyncio.sleep(0.02)


async def test_a_batch_that_is_refused_for_good_leaves_its_neighbours(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    execute(url, "ALTER TABLE completion ADD CONSTRAINT no_evil CHECK (exercise_id <> 'evil')")
    evil = completed("ada", exercise_id="evil")
    batch = [completed("ada"), completed("bob"), evil, completed("ada"), completed("cy")]
    await projected.apply(records(*batch))
    assert completions(url) == [
        ("ada", 2),
        ("bob", 1),
        ("cy", 1),
    ]
    letters = fetch(url, "SELECT key, headers::text FROM outbox WHERE topic LIKE '%dlq'")
    assert [key for key, _ in letters] == [b"ada"]
    assert '"rejected_by_database"' in letters[0][1]
    assert '"2"' in letters[0][1]  # its offset
    assert "no_evil" in letters[0][1]


async def test_a_missing_table_is_nobodys_record(
    projected: Projection, migrated_database: Database
) -> None:
    execute(migrated_database.owner_url, "DROP TABLE achievement_unlock")
    with pytest.raises(Exception, match="UndefinedTable") as caught:
        await projected.apply(records(completed("ada")))
    assert not isinstance(caught.value, TransientError | PoisonError)
    assert fetch(migrated_database.owner_url, "SELECT * FROM outbox") == []
