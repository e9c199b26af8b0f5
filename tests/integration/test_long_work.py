"""A learner with many completions gets enough time, and nothing else waits for it."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from itertools import pairwise

import psycopg
import pytest

from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.embedded.database import Database
from progress_worker.errors import TooSlowError
from progress_worker.storage.database import connect
from progress_worker.storage.rows import COMPLETION
from progress_worker.storage.write.histories import connect_for_histories
from tests.folding import derive
from tests.harness.events import Record, completed, recalculation, records
from tests.harness.proxied import through
from tests.harness.proxy import Proxy
from tests.harness.storage import BOOK, Projection, Rows, execute, fetch, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

MANY = """
INSERT INTO completion (user_id, event_id, revision, revoked, exercise_id, topic, difficulty,
    grade_hundredths, time_spent_seconds, hints_used, completed_at, local_day)
SELECT 'ada', gen_random_uuid(), 0, false, 'x', 'sets', 'easy', 8000, 60, 0,
    '2026-01-01 12:00Z'::timestamptz + n * interval '1 minute', '2026-01-01'
FROM generate_series(1, %s) AS n
"""
LOCK = "SELECT FROM learner WHERE user_id = %s FOR UPDATE"


def command(user_id: str, offset: int = 0) -> Record:
    return Record(*recalculation(user_id), offset=offset, topic="progress-commands")


def versions(url: str) -> dict[str, int]:
    return dict(fetch(url, "SELECT user_id, version FROM learner"))


async def test_other_tasks_run_while_a_learner_is_derived(
    projected: Projection, migrated_database: Database
) -> None:
    """No other task waits for a quarter of what deriving takes, in processor time."""
    count = 40_000
    await projected.apply(records(completed("ada")))
    execute(migrated_database.owner_url, MANY, count)
    turns = list[float]()
    task = asyncio.create_task(projected.recalculation.recalculate("ada"))
    while not task.done():
        turns.append(time.process_time())
        await asyncio.sleep(0)
    await task
    totals = fetch(migrated_database.owner_url, "SELECT sum(completions) FROM learner_total")
    assert totals == [(count + 1,)]
    async with connect(projected.engine) as connection:
        answer = await connection.execute(COMPLETION.select)
        stored = [Completion(*row) for row in await answer.fetchall()]
    started = time.process_time()
    derive(BOOK, LearnerState("ada"), stored)
    derived = time.process_time() - started
    assert max(b - a for a, b in pairwise(turns)) < derived / 4


async def test_the_time_limit_grows_with_the_completions(
    projected: Projection, migrated_database: Database
) -> None:
    with pytest.raises(TooSlowError):
        async with connect_for_histories(projected.engine, ["ada"], 0.5) as connection:
            await connection.execute("SELECT pg_sleep(1)")
    execute(migrated_database.owner_url, MANY, 20_000)
    async with connect_for_histories(projected.engine, ["ada"], 0.5) as connection:
        await connection.execute("SELECT pg_sleep(1)")


async def test_a_command_in_the_way_of_none_but_its_learner(shared: Deployment) -> None:
    """A locked learner's commands wait; later ones for others in the partition do not."""
    url = shared.database.owner_url
    locked, free = "a locked learner", "a free learner"
    await shared.publish(completed(locked), completed(free))
    await wait_until(partial(both_stored, url, locked, free), "both learners are stored")
    before = versions(url)
    commands = [recalculation(user) for user in (locked, locked, free)]
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as other:
        await other.execute(LOCK, [locked])
        await shared.kafka.publish(shared.commands, commands, partition=0)

        async def free_is_done() -> bool:
            return versions(url)[free] > before[free]

        await wait_until(free_is_done, "the free learner is recalculated")
        assert versions(url)[locked] == before[locked]

    async def locked_is_done() -> bool:
        return versions(url)[locked] == before[locked] + 2

    await wait_until(locked_is_done, "the other learner is recalculated twice")


async def both_stored(url: str, *users: str) -> bool:
    return versions(url).keys() >= set(users)


async def test_a_command_that_never_succeeds_is_dead_lettered(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    settings = deployment.settings(
        DATABASE_STATEMENT_TIMEOUT_SECONDS="0.2", RETRY_MAX_WAIT_SECONDS="0.05"
    )
    async with projection(settings) as parts:
        await parts.splitter.apply(records(completed("ada"), completed("bob")))
        first = versions(url)
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as other:
            await other.execute(LOCK, ["ada"])
            await asyncio.gather(
                parts.commands.handle(command("ada")), parts.commands.handle(command("bob", 1))
            )
    assert versions(url)["bob"] == first["bob"] + 1
    (letter,) = letters(url)
    assert letter["dlq.reason"] == "not_finished"
    assert letter["dlq.original-offset"] == "0"
    assert "given up after 10 tries" in letter["dlq.message"]


def letters(url: str) -> list[dict[str, str]]:
    rows: Rows = fetch(url, "SELECT headers::text FROM outbox WHERE topic LIKE '%.dlq'")
    return [dict(json.loads(row[0])) for row in rows]


async def test_tries_do_not_count_while_postgres_is_away(
    deployment: Deployment, migrated_database: Database
) -> None:
    port = int(migrated_database.worker_url.rpartition(":")[2].partition("/")[0])
    async with Proxy(port) as proxy:
        deployment.database = through(migrated_database, proxy.port)
        settings = deployment.settings(
            DATABASE_STATEMENT_TIMEOUT_SECONDS="0.3", RETRY_MAX_WAIT_SECONDS="0.05"
        )
        async with projection(settings) as parts:
            await parts.splitter.apply(records(completed("ada")))
            first = versions(migrated_database.owner_url)
            proxy.stall()
            handling = asyncio.create_task(parts.commands.handle(command("ada")))

            async def tried() -> bool:
                labels = {"part": "recalculation"}
                name = "progress_retries_total"
                return (parts.metrics.registry.get_sample_value(name, labels) or 0) > 11

            await asyncio.sleep(1)
            proxy.cut()
            await wait_until(tried, "it is tried more often than a command may fail")
            proxy.restore()
            await handling
    assert versions(migrated_database.owner_url) == {"ada": first["ada"] + 1}
    assert letters(migrated_database.owner_url) == []
