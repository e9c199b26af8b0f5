"""The way to Citus stays open: the tables, every statement, and the command that distributes them.

Citus itself is not available here. What it accepts and refuses was tried on Citus 13.2. The tests
compare the statements that a worker really sends with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from sqlalchemy import create_engine

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.generator.wire import Wire
from progress_worker.storage.read import statements as views
from progress_worker.storage.read.tables import COMPLETIONS
from progress_worker.storage.schema.migrate import migrate
from progress_worker.storage.schema.tables import LEARNER_TABLES
from tests.harness.citus import NAMES, functions_of, objections, tables_of
from tests.harness.deploying import deploy
from tests.harness.events import preferences
from tests.harness.storage import execute, fetch
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration

SENT: LiteralString = """
SELECT DISTINCT query FROM pg_stat_statements
WHERE userid = 'progress_worker'::regrole
AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
#: The first makes completions old enough to be deleted, the second takes a learner's counts.
AGED: LiteralString = (
    "UPDATE completion SET completed_at = '2020-01-01', stored_at = '2020-01-01'"
    " WHERE user_id <= (SELECT user_id FROM learner ORDER BY user_id OFFSET 3 LIMIT 1)"
)
OUTDATED: LiteralString = (
    "UPDATE learner SET counters = '{}', version = version + 1 WHERE user_id ="
    " (SELECT max(user_id) FROM learner)"
)


@pytest.fixture(scope="module")
def watched_postgres() -> Iterator[Postgres]:
    """A server that keeps every statement that it runs."""
    server = Postgres(durable=False)
    server._settings = server._settings | {
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.max": "10000",
    }
    with server:
        server.create_roles()
        yield server


@pytest.fixture(scope="module")
async def deployment(
    broker: Broker, watched_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """A deployment whose worker has done everything that a worker does."""
    database = watched_postgres.create_database("watched")
    execute(database.owner_url, "CREATE EXTENSION pg_stat_statements")
    migrate(database.owner_url)
    directory: Path = tmp_path_factory.mktemp("watched")
    deployment = await deploy(broker.bootstrap, database, directory, idempotent=False)
    deployment.variables |= {
        "EMIT_LEVEL_CHANGES": "true",
        "COMPLETION_RETENTION_DAYS": "366",
        "PARKED_RETENTION_DAYS": "30",
        "HOUSEKEEPING_SECONDS": "0.2",
        "CACHED_LEARNERS": "0",
        "STREAK_AT_RISK_HOURS": "23",
    }
    async with deployment.worker():
        await do_everything(deployment)
    return deployment


async def do_everything(deployment: Deployment) -> None:
    """Events of every kind, counts and zones from stored completions, commands, a retention."""
    traffic = Traffic(deployment, seed=5, count=900, learners=30)
    await traffic.send(600)
    await traffic.drained()
    url = deployment.database.owner_url
    execute(url, OUTDATED)
    last = fetch(url, "SELECT max(user_id) FROM learner")[0][0]
    command = Wire(last.encode(), f'{{"user_id": "{last}"}}'.encode(), ())
    await deployment.kafka.publish(deployment.commands, [command, preferences(last)])
    await traffic.send()
    await traffic.drained()
    execute(url, AGED)
    execute(url, "UPDATE achievement_rarity SET stored_at = '2020-01-01'")
    for text in (
        "DELETE FROM learner_total",
        "DELETE FROM completion",
        "FROM streak_expiry",
        "INSERT INTO learner_preference",
        "count(DISTINCT user_id)",
    ):
        await wait_until(partial(has_sent, url, text), text)


async def has_sent(url: str, text: str) -> bool:
    return any(text in statement for statement in sent(url))


def sent(url: str) -> list[str]:
    return [row[0] for row in fetch(url, SENT)]


@pytest.fixture
def connection(migrated_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session with the worker's planner settings, without rows that mislead it."""
    with psycopg.connect(migrated_database.owner_url, autocommit=True) as session:
        session.execute("SET enable_seqscan = off")
        yield session


def test_no_statement_of_a_worker_is_refused(
    deployment: Deployment, connection: psycopg.Connection[Any]
) -> None:
    statements = [text for text in sent(deployment.database.owner_url) if tables_of(text)]
    assert {name for text in statements for name in tables_of(text)} == NAMES
    for part in ("DISTINCT ON (user_id)", "CURSOR", "UPDATE completion", "DELETE FROM learner_day"):
        assert [text for text in statements if part in text], f"not sent: {part}"
    assert {text: found for text in statements if (found := objections(connection, text))} == {}


def test_no_statement_of_the_view_is_refused(connection: psycopg.Connection[Any]) -> None:
    dialect = create_engine("postgresql+psycopg://")
    window = {
        "user_id": "ada",
        "topic": "graphs",
        "first_day": "2026-11-01",
        "last_day": "2026-11-23",
        "user_ids": "{ada,bob}",
        "known_versions": "{1,1}",
        "newer_than": "{1,1}",
    }
    for statement in (
        views.STAMP,
        views.LEARNER_STATE,
        views.LEARNER_AND_DAYS,
        views.TOPIC,
        views.STATISTICS,
        views.HISTORY,
        views.STREAK,
        views.PREFERENCES,
        views.CHANGES,
        COMPLETIONS,
    ):
        compiled = statement.compile(dialect)
        assert tables_of(str(compiled))
        assert objections(connection, str(compiled), {**compiled.params, **window}) == []


def test_there_are_no_functions_of_ours(connection: psycopg.Connection[Any]) -> None:
    assert functions_of(connection) == []
    connection.execute("CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'")
    assert functions_of(connection) == ["twice(integer)"]


def test_every_key_of_a_learner_table_begins_with_the_learner(
    connection: psycopg.Connection[Any],
) -> None:
    """Unique and foreign keys too, or Citus does not distribute the table."""
    keys = connection.execute(
        "SELECT conrelid::regclass::text, contype::text, attname FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        " WHERE contype IN ('p', 'u', 'f', 'x')"
        " UNION SELECT indrelid::regclass::text, 'i', attname FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] WHERE indisunique"
    ).fetchall()
    assert {table for table, *_ in keys} >= NAMES
    assert {first for table, _, first in keys if table in NAMES} == {"user_id"}


@pytest.mark.parametrize(
    ("statement", "objection"),
    [
        (
            "SELECT version FROM learner WHERE user_id = ANY($1::text[]) FOR UPDATE",
            "locks rows by SELECT",
        ),
        (
            "SELECT version FROM learner WHERE user_id = ANY($1::text[]) FOR NO KEY UPDATE"
            " SKIP LOCKED",
            "locks rows by SELECT",
        ),
        ("MERGE INTO learner USING unnest($1::text[]) AS n ON n = user_id", "MERGE"),
        ("COPY learner (version) FROM STDIN", "copies rows without user_id"),
        ("UPDATE learner SET user_id = $1 WHERE user_id = $2", "changes user_id"),
        (
            "INSERT INTO skill_level SELECT * FROM skill_level WHERE user_id = $1"
            " ON CONFLICT DO NOTHING",
            "looks for a conflict without user_id",
        ),
        (
            "SELECT * FROM learner l JOIN skill_level s ON s.topic = l.timezone"
            " WHERE l.user_id = $1",
            "finds rows of skill_level without user_id",
        ),
        (
            "DELETE FROM completion WHERE event_id = $1",
            "finds rows of completion without user_id",
        ),
    ],
)
def test_what_is_refused_is_told(
    connection: psycopg.Connection[Any], statement: str, objection: str
) -> None:
    assert objections(connection, statement) == [objection]


def test_a_join_on_the_learner_is_taken(connection: psycopg.Connection[Any]) -> None:
    query = "SELECT * FROM learner JOIN completion USING (user_id) WHERE user_id = ANY($1::text[])"
    assert objections(connection, query) == []


def test_a_database_without_citus_is_named(migrated_database: Database) -> None:
    done = run_command({"MIGRATE_DATABASE_URL": migrated_database.owner_url}, "distribute")
    assert done.returncode == 1
    assert done.stderr.startswith("This database has no Citus: run CREATE EXTENSION citus")


#: Replaces Citus as far as the command can see, and keeps what it was asked for.
STAND_IN: tuple[LiteralString, ...] = (
    "CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, asked text)",
    """CREATE FUNCTION create_distributed_table(
           name text, key text, colocate_with text, shard_count int DEFAULT NULL) RETURNS void
       LANGUAGE sql AS $$ INSERT INTO pg_dist_partition VALUES
           (name::regclass, concat_ws(' ', key, colocate_with, shard_count)) $$""",
)
ASKED: LiteralString = "SELECT logicalrelid::text, asked FROM pg_dist_partition"


def test_what_is_not_distributed_is_and_only_once(migrated_database: Database) -> None:
    url = migrated_database.owner_url
    for statement in STAND_IN:
        execute(url, statement)
    first, *others = [table.name for table in LEARNER_TABLES]
    distribute = partial(run_command, {"MIGRATE_DATABASE_URL": url}, "distribute", "--shards", "64")

    done = distribute()
    assert (done.returncode, done.stderr) == (0, "")
    expected = {first: "user_id none 64"} | dict.fromkeys(others, f"user_id {first}")
    assert dict(fetch(url, ASKED)) == expected

    execute(url, "DELETE FROM pg_dist_partition WHERE logicalrelid = 'skill_level'::regclass")
    assert distribute().stdout == "Distributed: skill_level.\n"
    assert distribute().stdout == "All tables are distributed.\n"
    assert dict(fetch(url, ASKED)) == expected
