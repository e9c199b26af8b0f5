"""Settings of the server, a database, a role or the environment do not change what is counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from progress_worker.embedded.database import WORKER_ROLE, Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import FatalError, PoisonError
from progress_worker.storage.database import check_migrated, connect
from progress_worker.storage.schema.migrate import migrate
from progress_worker.storage.sessions import PINNED, connect_owner
from progress_worker.storage.write.saving import Changes, save
from tests.harness.events import Event, completed, records
from tests.harness.hostile import DATE_STYLES, HOSTILE, alter
from tests.harness.starting import VIEW
from tests.harness.storage import fetch, progress
from tests.harness.view import ViewProcess
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command
from tests.integration.conftest import Project

pytestmark = pytest.mark.integration

DAYS_BEFORE, DAYS_AFTER = (1, 2, 3), (4, 5, 12)
EXPECTED = [
    (dt.date(2026, 3, 1), dt.date(2026, 3, 6)),
    (dt.date(2026, 3, 12), dt.date(2026, 3, 13)),
]


def day(number: int, user_id: str = "ada") -> Event:
    return completed(
        user_id, grade=None, topic="日本 😀 \\", completed_at=f"2026-03-{number:02}T10:00:00+01:00"
    )


async def restarted(project: Project, database: Database) -> None:
    """Apply three days, restart, and apply more days, some consecutive and some not."""
    for days in (DAYS_BEFORE, DAYS_AFTER):
        async with project(database) as parts:
            await parts.apply(records(*map(day, days)))


def runs(database: Database) -> list[tuple[dt.date, dt.date]]:
    rows = fetch(
        database.owner_url, "SELECT lower(r), upper(r) FROM learner, unnest(active_days) AS r"
    )
    return [(first, after) for first, after in rows]


@pytest.mark.parametrize("style", DATE_STYLES)
async def test_days_survive_a_restart_under_any_date_style(
    project: Project, migrated_database: Database, style: str
) -> None:
    alter(migrated_database, {"DateStyle": style})
    await restarted(project, migrated_database)
    assert runs(migrated_database) == EXPECTED


@pytest.mark.parametrize("of_role", [False, True], ids=["database", "role"])
async def test_all_settings_at_once_change_nothing(
    project: Project, migrated_database: Database, of_role: bool
) -> None:
    alter(migrated_database, HOSTILE, role=WORKER_ROLE if of_role else None)
    async with project(migrated_database) as parts, connect(parts.engine) as connection:
        shown = [await (await connection.execute(f"SHOW {name}")).fetchone() for name in PINNED]
        limits = await (await connection.execute("SHOW statement_timeout")).fetchone()
        safe = await (await connection.execute("SHOW synchronous_commit")).fetchone()
    assert [row and row[0] for row in shown] == list(PINNED.values())
    assert (limits, safe) == (("8s",), ("on",))
    await restarted(project, migrated_database)
    assert runs(migrated_database) == EXPECTED


@pytest.mark.parametrize(
    "variables",
    [
        {"PGDATESTYLE": "German", "PGTZ": "Asia/Kolkata", "PGCLIENTENCODING": "LATIN1"},
        {"PGOPTIONS": " ".join(f"-c {n}={v.replace(' ', '')}" for n, v in HOSTILE.items())},
    ],
    ids=["variables", "options"],
)
async def test_the_environment_changes_nothing(
    project: Project,
    migrated_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    await restarted(project, migrated_database)
    for name in variables:
        monkeypatch.delenv(name)
    assert runs(migrated_database) == EXPECTED


async def test_a_policy_that_hides_rows_is_an_error(
    project: Project, migrated_database: Database
) -> None:
    async with project(migrated_database) as parts:
        await parts.apply(records(day(1)))
    before = progress(migrated_database.owner_url)
    with psycopg.connect(migrated_database.owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE learner_total ENABLE ROW LEVEL SECURITY")
    async with project(migrated_database) as parts:
        with pytest.raises(FatalError, match="InsufficientPrivilege"):
            await parts.apply(records(day(2)))
    assert progress(migrated_database.owner_url) == before


def test_a_migration_takes_as_long_as_it_needs(database: Database) -> None:
    alter(database, HOSTILE)
    migrate(database.owner_url)
    with connect_owner(database.owner_url, lock_timeout="2s") as connection:
        shown = connection.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
            " current_setting('DateStyle')"
        ).fetchone()
    assert shown == ("0", "2s", "ISO, MDY")


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def narrow_database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database that cannot store every text."""
    database = postgres.database(f"narrow_{request.param}".lower())
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'").format(
                sql.Identifier(database.name), request.param
            )
        )
    yield database
    postgres.drop_database(database.name)


def _refusal(narrow: Database) -> str:
    encoding = narrow.name.removeprefix("narrow_").upper()
    return (
        f"The database {narrow.name} has the encoding {encoding} and cannot store every "
        "text: use a database that was created with ENCODING 'UTF8' TEMPLATE template0."
    )


@pytest.mark.parametrize("command", ["migrate", "worker", "doctor", "distribute", "verify --all"])
def test_a_database_that_cannot_store_every_text_is_refused(
    deployment: Deployment, narrow_database: Database, command: str
) -> None:
    variables = deployment.environment(
        DATABASE_URL=narrow_database.worker_url, MIGRATE_DATABASE_URL=narrow_database.owner_url
    )
    done = run_command(variables, *command.split())
    assert done.returncode == 1
    assert _refusal(narrow_database) in " ".join((done.stdout + done.stderr).split())


async def test_the_view_is_not_ready_on_such_a_database(
    narrow_database: Database, tmp_path: Path
) -> None:
    variables = VIEW | {"VIEW_DATABASE_URL": narrow_database.view_url}
    async with (
        ViewProcess(variables, tmp_path, await_ready=False) as view,
        httpx.AsyncClient(timeout=10) as client,
    ):

        async def refuses() -> bool:
            try:
                return (await client.get(f"{view.url}/readyz")).status_code == 503
            except httpx.TransportError:
                return False

        await wait_until(refuses, "the view says that it is not ready")
    assert "Traceback" not in view.said()
    assert _refusal(narrow_database) in view.said()


async def test_a_value_that_cannot_be_sent_is_poison(
    project: Project, migrated_database: Database
) -> None:
    async with project(migrated_database) as parts:
        await parts.apply(records(day(1)))
        [record] = records(day(2))
        now = dt.datetime.now(dt.UTC)
        decoded = parts.decoder.decode(record.key, record.value, record.headers, now)
        broken = decoded.completion._replace(exercise_id="\ud800")
        async with connect(parts.engine) as connection:
            with pytest.raises(PoisonError, match="UnicodeEncodeError"):
                await save(connection, Changes((), added=[broken]))


@pytest.fixture
def learning(database: Database) -> Database:
    """A database whose tables are in a schema that only its addresses name."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA learning")
    asks = "?options=-csearch_path%3Dlearning"
    named = replace(
        database,
        owner_url=database.owner_url + asks,
        worker_url=database.worker_url + asks,
        view_url=database.view_url + asks,
    )
    migrate(named.owner_url)
    return named


async def test_an_address_may_name_the_schema(project: Project, learning: Database) -> None:
    await restarted(project, learning)
    assert runs(learning) == EXPECTED
    assert fetch(learning.owner_url, "SELECT to_regclass('public.learner')") == [(None,)]


async def test_a_schema_that_is_not_looked_into_is_named(
    project: Project, learning: Database
) -> None:
    elsewhere = replace(learning, worker_url=learning.worker_url.partition("?")[0])
    async with project(elsewhere) as parts, connect(parts.engine) as connection:
        with pytest.raises(FatalError, match=r'search_path \("\$user", public\)'):
            await check_migrated(connection)
