"""The view behind the real PgBouncer in transaction mode; other programs refuse a pooler."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from structlog.testing import capture_logs

from progress_worker.doctor.postgres import check_view_database, check_worker_database
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import FatalError, TransientError
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import connect_for, create_engine
from progress_worker.storage.read.connections import Limits, ReadConnections
from progress_worker.storage.read.statements import STAMP
from progress_worker.storage.schema.migrate import migrate
from tests.harness.pgbouncer import PROGRAM, PgBouncer
from tests.http.served import add_completions
from tests.http.stage import Stage, StageMaker

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed"),
]

PATHS = ("", "/achievements", "/badges", "/statistics", "/history", "/skill-levels/algorithms")
#: What another client of the pooler may leave behind in the sessions that it shares.
RUDE = (
    "SET statement_timeout = 0; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo';"
    "SET default_transaction_read_only = off; SET default_transaction_isolation = 'serializable';"
    "PREPARE _pg3_0 AS SELECT 1; PREPARE _pg3_1 AS SELECT 1"
)


@pytest.fixture(
    params=["", "options,extra_float_digits"], ids=["strict", "ignoring"], scope="module"
)
def pgbouncer(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres, ignored=request.param) as found:
        yield found


@pytest.fixture
def pooled(migrated_database: Database, pgbouncer: PgBouncer) -> Database:
    """The database with addresses that go through the pooler."""
    behind = pgbouncer.behind
    return replace(
        migrated_database,
        worker_url=behind(migrated_database.worker_url),
        view_url=behind(migrated_database.view_url),
    )


def be_rude(database: Database) -> None:
    """Leave settings in both of the pooler's sessions."""
    with (
        psycopg.connect(database.view_url, autocommit=True, connect_timeout=10) as one,
        psycopg.connect(database.view_url, autocommit=True, connect_timeout=10) as other,
        one.transaction(),
        other.transaction(),
    ):
        for connection in (one, other):
            connection.execute(RUDE)


async def fill(stage: Stage) -> None:
    """Add a learner with something on every path."""
    for minute in range(5):
        await stage.complete(f"2026-11-23T10:0{minute}:00Z", timezone="Europe/Berlin")
    add_completions(stage.database, "ada", 1_200)


async def test_every_path_answers_as_without_a_pooler(
    stages: StageMaker, migrated_database: Database, pooled: Database
) -> None:
    direct, behind = await stages(migrated_database), await stages(pooled)
    await fill(direct)
    be_rude(pooled)
    assert (await behind.client.get("/readyz")).status_code == 200
    for path in PATHS:
        assert await behind.read(path) == await direct.read(path)
    for kind in ("json", "csv"):
        there = await behind.get("/export", format=kind)
        assert there.status_code == 200
        assert there.text == (await direct.get("/export", format=kind)).text
    for _ in range(5):
        answers = await asyncio.gather(
            *(behind.get(path) for path in PATHS for _ in range(4)),
            *(behind.client.get("/readyz") for _ in range(4)),
        )
        assert {answer.status_code for answer in answers} == {200}


async def test_every_read_is_answered_while_many_wait(pooled: Database) -> None:
    """A pipeline sometimes had no answer, once in a dozen rounds on a busy machine."""
    for _ in range(25):
        connections = ReadConnections(pooled.view_url, Limits(10, 4, 5, 5))
        for _ in range(5):
            reads = (connections.one(STAMP, user_id="ada") for _ in range(28))
            assert await asyncio.gather(*reads) == [None] * 28
        await connections.close()


async def test_a_transaction_is_read_only_and_limited_whatever_the_session_is(
    pooled: Database,
) -> None:
    be_rude(pooled)
    connections = ReadConnections(pooled.view_url, Limits(4, 2, 5, 0.5))
    for statement, part in (
        ("CREATE TEMPORARY TABLE mine ()", "read-only transaction"),
        ("SELECT pg_sleep(30)", "statement timeout"),
    ):
        with pytest.raises(TransientError, match=part):
            await connections.one(text(statement))
    shown = (
        "SELECT current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS limit"
    )
    assert await connections.one(text(shown)) == ("UTC", "500ms")
    await connections.close()
    with psycopg.connect(pooled.view_url, autocommit=True, connect_timeout=10) as connection:
        left = connection.execute("SHOW default_transaction_read_only").fetchone()
    assert left == ("off",)


async def test_what_the_address_asks_for_and_the_pooler_refuses_is_named(
    stages: StageMaker, pooled: Database, pgbouncer: PgBouncer
) -> None:
    url = pooled.view_url + "?options=-csearch_path%3Dpublic"
    stage = await stages(replace(pooled, view_url=url))
    if pgbouncer.ignored:
        assert (await stage.client.get("/readyz")).status_code == 200
        return
    with capture_logs() as logs:
        answers = [
            await stage.client.get("/readyz"),
            await stage.get(""),
            await stage.get("/export"),
        ]
    assert [answer.status_code for answer in answers] == [503] * 3
    said = [entry["reason"] for entry in logs if entry["event"] == "view_request"]
    assert len(said) == 3
    assert all("unsupported startup parameter" in reason for reason in said)
    with pytest.raises(TransientError, match="unsupported startup parameter"):
        await check_view_database(stage.settings)


async def test_the_doctor_takes_it_for_the_view_and_refuses_it_for_the_worker(
    stages: StageMaker, pooled: Database
) -> None:
    stage = await stages(pooled)
    findings = await check_view_database(stage.settings)
    assert [found.sentence for found in findings if found.wrong] == []
    worker = Settings(kafka_bootstrap="nowhere:1", database_url=SecretStr(pooled.worker_url))
    with pytest.raises(FatalError, match="The address leads to a connection pooler"):
        await check_worker_database(worker)


@pytest.mark.parametrize("asks", ["", "?options=-cjit%3Doff"])
async def test_worker_and_migration_refuse_it(pooled: Database, asks: str) -> None:
    engine = create_engine(
        pooled.worker_url + asks,
        application_name="worker",
        pool_size=1,
        connect_timeout_seconds=5,
        statement_timeout_seconds=5,
    )
    with pytest.raises(FatalError, match="The address leads to a connection pooler"):
        async with connect_for(engine, 10):
            pass
    await engine.dispose()
    with pytest.raises(FatalError, match="The address leads to a connection pooler"):
        migrate(pooled.worker_url + asks)
