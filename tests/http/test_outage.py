"""Postgres is away, slow, full or read-only: the view says so, and recovers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import TransientError
from progress_worker.storage.read.connections import Limits, ReadConnections
from progress_worker.storage.schema.migrate import migrate
from progress_worker.storage.schema.tables import LEARNER_TABLES
from tests.harness.freezing import frozen
from tests.http.stage import Stage, StageMaker
from tests.http.wire import tapped

pytestmark = pytest.mark.integration

PATHS = ("", "/achievements", "/statistics", "/history", "/skill-levels/x", "/export")
#: A busy machine may add this to a limit; waiting for a cancelled statement would add more.
SLACK_SECONDS = 3.0
LEARNERS = ("ada", "bob")
QUICK = {
    "view_statement_timeout_seconds": 0.5,
    "view_pool_timeout_seconds": 0.3,
    "view_connect_timeout_seconds": 2,
}


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may stop."""
    with Postgres(durable=False) as server:
        server.create_roles()
        yield server


@pytest.fixture
def own_database(own_postgres: Postgres) -> Database:
    database = own_postgres.create_database("view")
    migrate(database.owner_url)
    return database


async def probes(stage: Stage) -> tuple[int, int]:
    """The status of liveness and readiness."""
    live, ready = [await stage.client.get(path) for path in ("/livez", "/readyz")]
    return live.status_code, ready.status_code


async def assert_unavailable(stage: Stage) -> None:
    assert await probes(stage) == (200, 503)
    for path in PATHS:
        for headers in ({}, {"If-None-Match": "x"}):
            answer = await stage.get(path, headers=headers)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert "ada" not in answer.json()["detail"]


async def test_postgres_stops_and_comes_back(
    own_postgres: Postgres, own_database: Database, stages: StageMaker
) -> None:
    stage = await stages(own_database, **QUICK)
    await stage.complete("2026-11-23T10:00:00Z")
    await asyncio.gather(*(stage.read("") for _ in range(5)))
    assert await probes(stage) == (200, 200)
    with capture_logs() as lines:
        own_postgres.stop()
        await assert_unavailable(stage)
        await assert_unavailable(stage)
        own_postgres.start()
        assert await probes(stage) == (200, 200)
    outage = [line["event"] for line in lines if line["event"] != "view_request"]
    assert outage == ["view_unavailable", "rarity_unreadable", "view_unavailable_over"]
    refused = [line for line in lines if line.get("status") == 503 and line["route"] != "/readyz"]
    assert len(refused) > len(PATHS)
    assert {line["reason"].partition(":")[0] for line in refused} == {"Postgres cannot be reached"}
    for path in PATHS:
        assert (await stage.get(path)).status_code == 200
    assert (await stage.read(""))["exercises_completed"] == 1


async def test_a_restart_between_two_requests_goes_unnoticed(
    own_postgres: Postgres, own_database: Database, stages: StageMaker
) -> None:
    # Enough time for Postgres to start while the view connects.
    stage = await stages(own_database, view_pool_timeout_seconds=5)
    await asyncio.gather(
        *(stage.read("") for _ in range(5)), *(stage.get("/export", name) for name in LEARNERS)
    )
    own_postgres.restart()
    answers = await asyncio.gather(
        *(stage.get("") for _ in range(5)), *(stage.get("/export", name) for name in LEARNERS)
    )
    assert {answer.status_code for answer in answers} == {200}


async def test_a_read_that_waits_for_a_lock_ends_in_time_and_others_do_not_pile_up(
    stages: StageMaker, migrated_database: Database
) -> None:
    stage = await stages(migrated_database, view_pool_size=2, **QUICK)
    with psycopg.connect(migrated_database.owner_url) as connection:
        connection.execute("LOCK TABLE learner IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(stage.get("") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {503}
    assert (await stage.get("")).status_code == 200


async def test_a_network_that_swallows_everything_keeps_nobody_waiting_for_ever(
    stages: StageMaker, migrated_database: Database
) -> None:
    async with tapped(migrated_database) as (wire, behind):
        stage = await stages(behind, **QUICK)
        assert (await stage.get("")).status_code == 200
        wire.flowing.clear()
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(stage.get("") for _ in range(3)))
        assert {answer.status_code for answer in answers} == {503}
        assert (await stage.client.get("/livez")).status_code == 200
        wire.flowing.set()
        assert (await stage.get("")).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc")
async def test_a_frozen_server_holds_no_request_beyond_its_limit(
    own_postgres: Postgres, own_database: Database, stages: StageMaker
) -> None:
    stage = await stages(own_database, view_pool_size=4, **QUICK)
    limit = stage.settings.view_pool_timeout_seconds + 2 + 0.5
    paths = ["/readyz", *(f"/api/progress{path}" for path in PATHS)]

    async def ask(path: str) -> int:
        async with asyncio.timeout(limit + SLACK_SECONDS):
            headers = {"Authorization": f"Bearer {stage.token()}"}
            return (await stage.client.get(path, headers=headers)).status_code

    # First with connections from the pool, later with new ones.
    assert {await ask(path) for path in paths} == {200}
    with frozen(own_postgres):
        for _ in range(2):
            answers = await asyncio.gather(*(ask(path) for path in paths * 3))
            assert {status for status in answers if status != 429} == {503}
    assert {await ask(path) for path in paths} == {200}


async def test_missing_tables_are_not_ready(stages: StageMaker, database: Database) -> None:
    stage = await stages(database)
    assert await probes(stage) == (200, 503)


async def test_nobody_listens(stages: StageMaker) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    stage = await stages(Database("nothing", nowhere, nowhere, nowhere), **QUICK)
    await assert_unavailable(stage)


@pytest.fixture
async def connections(migrated_database: Database) -> ReadConnections:
    return ReadConnections(migrated_database.view_url, Limits(2, 1, 5, 0.5))


async def test_the_views_role_cannot_write(
    migrated_database: Database, connections: ReadConnections
) -> None:
    with psycopg.connect(migrated_database.view_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        for table in LEARNER_TABLES:
            for statement in (
                f"INSERT INTO {table.name} SELECT * FROM {table.name}",
                f"UPDATE {table.name} SET user_id = user_id",
                f"DELETE FROM {table.name}",
                f"TRUNCATE {table.name}",
                f"DROP TABLE {table.name}",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (id integer)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM outbox")
    await connections.close()


async def test_an_address_may_ask_for_the_server_that_takes_writes(
    migrated_database: Database,
) -> None:
    url = f"{migrated_database.view_url}?target_session_attrs=read-write"
    connections = ReadConnections(url, Limits(1, 1, 5, 0.5))
    row = await connections.one(text("SHOW transaction_read_only"))
    assert row == ("on",)
    await connections.close()


async def test_a_session_of_the_view_is_read_only_whatever_its_role(
    migrated_database: Database,
) -> None:
    as_owner = ReadConnections(migrated_database.owner_url, Limits(1, 1, 5, 1))
    row = await as_owner.one(text("SHOW transaction_read_only"))
    assert row is not None
    assert row[0] == "on"
    with pytest.raises(TransientError, match="read-only transaction"):
        await as_owner.one(text("DELETE FROM learner"))
    with pytest.raises(TransientError, match="read-only transaction"):
        async with as_owner.snapshot() as snapshot:
            await snapshot.one(text("DELETE FROM learner"))
    await as_owner.close()


async def test_a_read_has_a_time_limit_and_gives_its_connection_back(
    connections: ReadConnections,
) -> None:
    for _ in range(3):
        with pytest.raises(TransientError):
            await connections.one(text("SELECT pg_sleep(30)"))
    row = await connections.one(text("SELECT 1"))
    assert row is not None
    await connections.close()
