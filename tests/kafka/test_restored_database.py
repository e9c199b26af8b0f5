"""A restored database gets the commands that it has not seen before it gets completions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.generator.wire import Wire
from tests.harness.events import completed, erasure, excuse, preferences, recalculation
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess
from tests.kafka.conftest import on_broker

pytestmark = pytest.mark.integration

OLD = [completed("ada", completed_at=f"2026-03-{day:02}T10:00:00Z") for day in range(1, 6)]
LATE = completed("ada", completed_at="2026-03-09T10:00:00Z")
NEW = completed("ada", completed_at="2026-03-21T10:00:00Z")
BOB = completed("bob", completed_at="2026-03-01T10:00:00Z")
COMMANDS = [
    erasure("ada", "2026-03-20T12:00:00Z"),
    excuse("bob", "2026-03-02"),
    preferences("bob", gamification="quiet"),
]


@pytest.fixture
def backup(migrated_database: Database, postgres: Postgres) -> Iterator[Database]:
    """The name of a database for a copy, which is dropped in the end."""
    name = f"test_{uuid4().hex}"
    yield postgres.database(name)
    postgres.drop_database(name)


def back_up(postgres: Postgres, database: Database, into: Database) -> None:
    """Copy a database as it is; nobody may be connected to it."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(into.name), sql.Identifier(database.name)
    )
    with psycopg.connect(postgres.url(), autocommit=True, connect_timeout=10) as connection:
        connection.execute(statement)


def worker(deployment: Deployment, *, await_ready: bool = True) -> WorkerProcess:
    return deployment.worker(ERASURE_PEPPER="a secret of the tests", await_ready=await_ready)


async def counted(deployment: Deployment, table: str, wanted: int) -> None:
    async def reached() -> bool:
        count = f"SELECT count(*) FROM {table}"
        with psycopg.connect(deployment.database.owner_url, connect_timeout=10) as connection:
            row = connection.execute(count.encode()).fetchone()
        return row == (wanted,)

    await wait_until(reached, f"{table} has {wanted} rows")


async def read_again(deployment: Deployment) -> None:
    """Move the exercises' group back to the beginning, as the runbook does."""
    for partition in await deployment.kafka.committed(deployment.group, deployment.completed):
        await deployment.kafka.commit(deployment.group, deployment.completed, partition, 0)


async def test_commands_that_a_backup_lacks_are_carried_out_first(
    deployment: Deployment, postgres: Postgres, backup: Database
) -> None:
    async with worker(deployment) as running:
        await deployment.publish(*OLD, BOB)
        await counted(deployment, "completion", 6)
        await deployment.kafka.publish(deployment.commands, [recalculation("bob")] * 3)
        await wait_until(partial(applied, deployment, 3), "bob is recalculated")
        assert await running.terminate() == 0
    back_up(postgres, deployment.database, backup)

    async with worker(deployment) as running:
        await deployment.kafka.publish(deployment.commands, COMMANDS)
        await counted(deployment, "erasure_receipt", 1)
        await counted(deployment, "excuse", 1)
        await counted(deployment, "learner_preference", 1)
        await deployment.publish(LATE, NEW)
        await counted(deployment, "completion", 2)
        assert await running.terminate() == 0

    deployment.database = backup
    assert fetch(backup.owner_url, "SELECT count(*) FROM completion") == [(6,)]
    await read_again(deployment)
    async with worker(deployment) as running:
        await counted(deployment, "erasure_receipt", 1)
        await counted(deployment, "excuse", 1)
        await counted(deployment, "learner_preference", 1)
        await wait_until(partial(dealt_with, running, 8), "everything is read again")
        outcomes = {
            outcome: await running.metric("progress_events_total", outcome=outcome)
            for outcome in ("applied", "duplicate", "erased")
        }
    # Had ingest been first, what is erased would have been a duplicate.
    assert outcomes == {"applied": 1, "duplicate": 1, "erased": 6}
    assert fetch(backup.owner_url, "SELECT user_id, completed_at::date::text FROM completion") == [
        ("bob", "2026-03-01"),
        ("ada", "2026-03-21"),
    ]


async def applied(deployment: Deployment, commands: int) -> bool:
    stored = fetch(deployment.database.owner_url, "SELECT sum(next_offset) FROM command_position")
    return stored == [(commands,)]


async def dealt_with(running: WorkerProcess, events: int) -> bool:
    return await running.metric("progress_events_total") == events


# The embedded broker refuses to move a group that had members before.
on_apache_kafka = on_broker("apache")


@on_apache_kafka
async def test_an_empty_database_gets_every_command(
    deployment: Deployment, postgres: Postgres, backup: Database
) -> None:
    back_up(postgres, deployment.database, backup)
    async with worker(deployment) as running:
        await deployment.kafka.publish(deployment.commands, COMMANDS)
        await deployment.publish(*OLD, BOB)
        await counted(deployment, "completion", 1)
        assert await running.terminate() == 0
    deployment.database = backup
    await read_again(deployment)
    async with worker(deployment) as running:
        await wait_until(partial(dealt_with, running, 6), "everything is read again")
        assert await running.metric("progress_events_total", outcome="erased") == 5
    assert fetch(backup.owner_url, "SELECT user_id FROM excuse") == [("bob",)]


@on_apache_kafka
async def test_exercises_wait_for_older_commands(deployment: Deployment) -> None:
    """While the erasure is held up by a lock, nothing is ingested; then everything is."""
    await deployment.publish(*OLD)
    await deployment.kafka.publish(deployment.commands, COMMANDS[:1])
    url = deployment.database.owner_url
    with psycopg.connect(url, connect_timeout=10) as holder:
        holder.execute("LOCK TABLE erasure IN EXCLUSIVE MODE")
        async with worker(deployment, await_ready=False) as running:
            await wait_until(
                partial(running.has_said, "are carried out before exercises are read"),
                "the worker says what it waits for",
            )
            answer = await running.get("/readyz")
            assert answer is not None
            assert answer.status_code == 503
            holder.rollback()
            await wait_until(partial(dealt_with, running, 5), "the exercises are read")
            assert await running.metric("progress_events_total", outcome="erased") == 5


@on_apache_kafka
async def test_commands_are_read_again_only_where_nobody_else_runs(deployment: Deployment) -> None:
    """A second worker may not take the first one's commands back."""
    commands = [Wire(b"bob", b'{"user_id": "bob"}', ())] * 2
    async with worker(deployment):
        await deployment.kafka.publish(deployment.commands, commands)
        await wait_until(partial(applied, deployment, 2), "both are carried out")
        group = f"{deployment.group}-commands"

        async def committed() -> bool:
            offsets = await deployment.kafka.committed(group, deployment.commands)
            return sum(offsets.values()) == 2

        await wait_until(committed, "the group has committed them")
        execute(deployment.database.owner_url, "DELETE FROM command_position")
        async with worker(deployment) as second:
            assert "commands_read_again" not in second.said()
