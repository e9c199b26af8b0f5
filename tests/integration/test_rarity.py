"""Counting who holds which achievement: killed anywhere, and compared with plain SQL."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, LiteralString

import pytest
from structlog.testing import capture_logs

from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.errors import TransientError
from progress_worker.storage.database import connect
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks, walks
from progress_worker.telemetry.metrics import Metrics
from progress_worker.walks.rarity import CountRarity, RaritySchedule
from progress_worker.walks.walk import Walk
from tests.harness.events import CATALOGUE, completed, excuse, records
from tests.harness.storage import BOOK, Projection, execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

NOW: Final = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)
COUNTED: Final = "SELECT learners, holders FROM achievement_rarity WHERE state = 'counted'"
#: Every fifth learner has no completion, and may hold something all the same.
LEARNERS: Final[LiteralString] = """
INSERT INTO learner (user_id, version, active_days, counters)
SELECT 'learner-' || n, 1,
       CASE WHEN mod(n, 5) = 0 THEN '{}' ELSE '{[2026-03-01,2026-03-02)}' END::datemultirange, '{}'
FROM generate_series(1, %s) AS n
"""
UNLOCKS: Final[LiteralString] = """
INSERT INTO achievement_unlock
    (user_id, achievement_id, occurrence, unlocked_at, local_day, triggering_event_id,
     rule_version, measure, value, target, backdated)
SELECT 'learner-' || n, achievement, occurrence, now(), '2026-03-01', gen_random_uuid(), 7, 'm', 1,
       1, false
FROM generate_series(1, %s) AS n, unnest('{first,three,gone}'::text[]) AS achievement,
     generate_series(1, 1 + mod(n, 3)) AS occurrence
WHERE mod(hashtext(n || achievement), 3) = 0
"""
#: By another way than the walk's.
EXPECTED: Final = """
SELECT achievement_id, count(*) FROM (SELECT DISTINCT user_id, achievement_id
FROM achievement_unlock WHERE user_id IN (SELECT user_id FROM learner WHERE active_days <> '{}'))
AS held GROUP BY 1
"""


def walk_of(parts: Projection, page: int = 5_000, book: RuleBook = BOOK) -> Walk:
    return Walk(parts.engine, CountRarity(book), time_limit_seconds=20, page_learners=page)


async def count(walk: Walk) -> None:
    """A whole pass."""
    while not (await walk.step()).finished:
        pass


def counted(url: str) -> tuple[int, dict[str, int]]:
    ((learners, holders),) = fetch(url, COUNTED)
    return learners, holders


def expected(url: str, book: RuleBook = BOOK) -> tuple[int, dict[str, int]]:
    ((learners,),) = fetch(url, "SELECT count(*) FROM learner WHERE active_days <> '{}'")
    nobody = {achievement.id: 0 for achievement in book.achievements}
    return learners, nobody | dict(fetch(url, EXPECTED))


def fill(url: str, learners: int) -> None:
    execute(url, LEARNERS, learners)
    execute(url, UNLOCKS, learners)


@pytest.mark.parametrize("seed", range(2))
async def test_a_pass_that_is_killed_anywhere_forgets_nobody_and_counts_nobody_twice(
    projected: Projection, migrated_database: Database, seed: int
) -> None:
    """Steps of one or two leaders, with pages of any size; half of them are ended on their way."""
    url, rng = migrated_database.owner_url, random.Random(seed)
    fill(url, 83)
    killed = 0
    for _ in range(2):  # The second pass begins with the sums that the first one left.
        before = finished_at(url)
        while finished_at(url) in {None, before}:
            steps = [
                asyncio.create_task(walk_of(projected, rng.randint(1, 8)).step())
                for _ in range(rng.randint(1, 2))
            ]
            if rng.random() < 0.7:
                await asyncio.sleep(rng.random() * 0.02)
                killed += sum(step.cancel() for step in steps)
            for step in steps:
                with suppress(asyncio.CancelledError, TransientError):
                    await step  # It may be killed, or find its page done by the other one.
            gc.collect()
        assert counted(url) == expected(url)
        execute(url, "DELETE FROM achievement_unlock WHERE user_id LIKE '%7'")
        execute(url, "UPDATE learner SET active_days = '{}' WHERE user_id LIKE '%3'")
    assert killed > 3
    ((examined,),) = fetch(url, "SELECT examined FROM walk WHERE name = 'rarity'")
    assert examined == 83


def finished_at(url: str) -> dt.datetime | None:
    """When the pass ended, as may a step that was killed after its commit; None before."""
    found = fetch(url, "SELECT finished_at FROM walk WHERE name = 'rarity'")
    return found[0][0] if found else None


@pytest.mark.parametrize(("learners", "page"), [(0, 5), (1, 5), (5, 5), (10, 5), (11, 5), (9, 1)])
async def test_the_end_is_found_wherever_the_pages_end(
    projected: Projection, migrated_database: Database, learners: int, page: int
) -> None:
    url = migrated_database.owner_url
    fill(url, learners)
    await count(walk_of(projected, page))
    assert counted(url) == expected(url)


async def test_who_counts(projected: Projection, migrated_database: Database) -> None:
    """Repeats count once; without a completion nobody counts; what was lost is not held."""
    url = migrated_database.owner_url
    rules = CATALOGUE.replace("version: 7", "version: 8")
    rules = rules.replace("{id: three,", "{id: three, revocation: withdraw,")
    rules = rules.replace("id: first", "id: first, repeat: each_multiple")
    book = await activate(projected, rules)
    three = [completed("ada") for _ in range(3)]
    taken_back = completed("eve")
    bobs = [completed("bob") for _ in range(3)]
    await projected.apply(records(*three, *bobs, taken_back))
    (command,) = records(excuse("carol", "2026-03-01"))
    await projected.commands.handle(command)
    assert fetch(url, "SELECT count(*) FROM achievement_unlock WHERE user_id = 'ada'") == [(4,)]
    await count(walk_of(projected, book=book))
    assert counted(url)[0] == 3
    assert counted(url)[1] == expected(url, book)[1]
    assert (counted(url)[1]["first"], counted(url)[1]["three"]) == (3, 2)

    gone = [each | {"revision": 1, "revoked": True} for each in (three[0], taken_back)]
    await projected.apply(records(*gone))
    await count(walk_of(projected, book=book))
    assert counted(url)[0] == 2
    assert (counted(url)[1]["first"], counted(url)[1]["three"]) == (2, 1)


async def activate(parts: Projection, text: str) -> RuleBook:
    """Do what the start of a worker with that rule book does; others notice it."""
    own = RuleBooks(read_rule_book(text))
    async with connect(parts.engine) as connection:
        await rulebooks.settle(connection, own, text)
        await rulebooks.refresh(connection, parts.books)
        await connection.commit()
    return own.active


async def test_what_was_counted_stays_until_the_next_pass_ends(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    fill(url, 30)
    await count(walk_of(projected))
    before = counted(url)
    fill_more: LiteralString = "UPDATE learner SET active_days = '{[2026-03-01,2026-03-02)}'"
    execute(url, fill_more)
    walk = walk_of(projected, 10)
    await walk.step()
    await walk.step()
    assert counted(url) == before
    await count(walk)
    assert counted(url) == expected(url) != before


async def test_another_rule_book_starts_the_pass_over(
    projected: Projection, migrated_database: Database
) -> None:
    url = migrated_database.owner_url
    fill(url, 30)
    newer = read_rule_book(CATALOGUE.replace("version: 7", "version: 8").replace("wide", "broad"))
    walk = walk_of(projected, 7)
    await walk.step()
    await count(walk_of(projected, 7, newer))
    assert counted(url) == expected(url, newer)
    assert "broad" in counted(url)[1].keys() - {"wide"}


async def test_sums_that_somebody_deleted_are_not_taken_for_zero(
    projected: Projection, migrated_database: Database
) -> None:
    """The worker goes on with everything else, and says what to do."""
    url = migrated_database.owner_url
    fill(url, 30)
    walk = walk_of(projected, 10)
    await walk.step()
    execute(url, "DELETE FROM achievement_rarity")
    with pytest.raises(TransientError, match="DELETE FROM walk WHERE name = 'rarity'"):
        await walk.step()
    execute(url, "DELETE FROM walk WHERE name = 'rarity'")
    await count(walk)
    assert counted(url) == expected(url)


async def test_completions_are_not_looked_at(
    projected: Projection, migrated_database: Database
) -> None:
    """So a page takes as long for learners who have done much."""
    fill(migrated_database.owner_url, 30)
    execute(migrated_database.owner_url, "ALTER TABLE completion RENAME TO elsewhere")
    try:
        await count(walk_of(projected))
    finally:
        execute(migrated_database.owner_url, "ALTER TABLE elsewhere RENAME TO completion")
    assert counted(migrated_database.owner_url) == expected(migrated_database.owner_url)


async def test_when_a_pass_is_due(projected: Projection, migrated_database: Database) -> None:
    url, metrics, now = migrated_database.owner_url, Metrics([]), [NOW]
    passenger = CountRarity(projected.books.active)
    schedule = RaritySchedule(
        projected.engine,
        projected.books,
        passenger,
        metrics,
        hours=24,
        time_limit_seconds=20,
        clock=lambda: now[0],
    )
    walk = Walk(projected.engine, passenger, time_limit_seconds=20, page_learners=10)
    fill(url, 25)
    execute(url, "UPDATE learner SET rule_book = 7, rule_book_at = 1, complete_at = 1")
    assert not await schedule.is_due(), "nobody knows whether everybody was moved"
    await count(projected.walk)
    assert await schedule.is_due(), "nothing was counted before"
    with capture_logs() as logs:
        for _ in range(3):
            assert await schedule.is_due(), "a pass is under way"
            schedule.stepped(await walk.step())
    assert [line for line in logs if line["event"] == "rarity_counted"] == [
        {"event": "rarity_counted", "learners": 25, "log_level": "info"}
    ]
    assert metrics.registry.get_sample_value("progress_rarity_counted_timestamp_seconds") == 0
    execute(url, "UPDATE achievement_rarity SET stored_at = %s", NOW)
    assert not await schedule.is_due()
    sample = metrics.registry.get_sample_value("progress_rarity_counted_timestamp_seconds")
    assert sample == NOW.timestamp()
    now[0] = NOW + dt.timedelta(hours=23, minutes=59)
    assert not await schedule.is_due()
    now[0] = NOW + dt.timedelta(hours=24)
    assert await schedule.is_due(), "a day has passed"
    await walk.step()
    now[0] = NOW
    assert await schedule.is_due(), "a pass is under way"

    await activate(projected, CATALOGUE.replace("version: 7", "version: 8"))
    assert not await schedule.is_due(), "it waits until everybody was moved"
    assert passenger.rule_book == 8
    await count(projected.walk)
    assert await schedule.is_due(), "everybody was moved"
    await count(walk)
    execute(url, "UPDATE achievement_rarity SET stored_at = %s", NOW)
    assert not await schedule.is_due()
    async with connect(projected.engine) as connection:
        await walks.begin(connection, walks.RULE_BOOK, 8)
        await connection.commit()
    assert not await schedule.is_due(), "the walk looks for learners once more"


async def test_a_running_worker_counts(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    async with deployment.worker() as worker:
        await deployment.publish(*(completed(f"u{n}") for n in range(25)))
        await wait_until(partial(_counts, url, 0), "nobody is counted at the start")
        await wait_until(partial(_has_unlocked, url, 25), "everybody has the first badge")
        execute(url, "UPDATE achievement_rarity SET stored_at = now() - '2 days'::interval")
        await wait_until(partial(_counts, url, 25), "everybody is counted a day later")
        shown = partial(worker.metric, "progress_rarity_counted_timestamp_seconds")
        await wait_until(partial(_is_set, shown), "the leader shows when it counted")
    assert counted(url) == expected(url)
    assert counted(url)[1]["first"] == 25


async def _counts(url: str, least: int) -> bool:
    return any(learners >= least for learners, _ in fetch(url, COUNTED))


async def _has_unlocked(url: str, learners: int) -> bool:
    return fetch(url, "SELECT count(*) FROM achievement_unlock") == [(learners,)]


async def _is_set(metric: Callable[[], Awaitable[float]]) -> bool:
    return await metric() > 0


async def test_a_worker_whose_rarity_is_off_does_not_count(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    fill(url, 40)
    async with deployment.worker(RARITY_HOURS="0") as worker:
        finished = partial(
            worker.metric, "progress_walk_finished_timestamp_seconds", walk="rule_book"
        )
        await wait_until(partial(_is_set, finished), "the worker leads and has moved everybody")
    assert not fetch(url, "SELECT FROM achievement_rarity")
