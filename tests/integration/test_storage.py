"""The database: migrations, roles, keys, plans, and data that is read back unchanged."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event

from progress_worker.at_risk.warner import Warner
from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Days
from progress_worker.domain.state import LearnerState, SkillLevel
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.totals import Totals
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import FatalError, LearnerChangedError
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import check_migrated, connect
from progress_worker.storage.days import bounds, format_runs, read_runs
from progress_worker.storage.schema import privileges
from progress_worker.storage.schema.local_tables import all_tables
from progress_worker.storage.schema.migrate import migrate
from progress_worker.storage.schema.revisions import head_revision
from progress_worker.storage.schema.tables import LEARNER_TABLES
from progress_worker.storage.sessions import connect_owner
from progress_worker.storage.write import outbox
from progress_worker.storage.write.batches import load
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.learners import load_whole
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes, save
from tests.harness.events import completed, preferences, records
from tests.harness.storage import BOOK, BOOKS, Projection, execute, fetch, progress, projection
from tests.harness.worker import Deployment, run_command
from tests.integration.conftest import Deploy

Project = Callable[[Database], AbstractAsyncContextManager[Projection]]

pytestmark = pytest.mark.integration

DAY = dt.date(2026, 3, 2)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def revision(database: Database) -> list[tuple[object, ...]]:
    return fetch(database.owner_url, "SELECT version_num FROM alembic_version")


def tables(database: Database) -> set[str]:
    return {
        str(row[0])
        for row in fetch(
            database.owner_url,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
        )
    }


def test_migrations_go_up_down_and_up_again(database: Database) -> None:
    ours = set(all_tables.tables)
    migrate(database.owner_url)
    assert revision(database) == [(head_revision(),)]
    assert ours <= tables(database)
    migrate(database.owner_url, "base")
    assert revision(database) == []
    assert not ours & tables(database)
    migrate(database.owner_url)
    migrate(database.owner_url)
    assert revision(database) == [(head_revision(),)]
    assert ours <= tables(database)


def test_the_migrated_database_is_what_the_tables_say(migrated_database: Database) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=partial(connect_owner, migrated_database.owner_url)
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, all_tables) == []
    engine.dispose()


def test_two_migrations_at_once_take_turns(database: Database) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(migrate, database.owner_url) for _ in range(2)]
        for run in runs:
            run.result(timeout=60)
    assert revision(database) == [(head_revision(),)]


def test_a_migration_waits_for_the_lock_of_another(database: Database) -> None:
    with (
        psycopg.connect(database.owner_url, autocommit=True) as other,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        other.execute("SELECT pg_advisory_lock(7281936401)")
        run = pool.submit(migrate, database.owner_url)
        while not fetch(
            database.owner_url,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle' AND query = 'COMMIT'",
        ):
            assert not run.done()
        assert "learner" not in tables(database)
        other.execute("SELECT pg_advisory_unlock(7281936401)")
        run.result(timeout=60)
    assert "learner" in tables(database)


def test_a_migration_that_has_to_wait_makes_nobody_wait_for_long(
    migrated_database: Database,
) -> None:
    """A long transaction reads a table. The migration waits for it; others can still read."""
    url = migrated_database.owner_url
    with (
        psycopg.connect(url) as reader,
        psycopg.connect(url, autocommit=True) as other,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        reader.execute("SELECT FROM learner")
        run = pool.submit(migrate, url, "base")
        other.execute("SET statement_timeout = '10s'")
        while not other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            assert not run.done()
        other.execute("SELECT FROM learner")
        assert not run.done()
        reader.rollback()
        assert run.result(timeout=60) == "base"
    assert "learner" not in tables(migrated_database)


def test_the_migrate_command(database: Database) -> None:
    done = run_command({"MIGRATE_DATABASE_URL": database.owner_url}, "migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The database is at revision {head_revision()}.\n"
    assert revision(database) == [(head_revision(),)]


def test_a_migration_without_a_database_is_one_sentence(postgres: Postgres) -> None:
    done = run_command({"DATABASE_URL": postgres.url("no_such_database")}, "migrate")
    assert done.returncode == 1
    assert re.fullmatch(
        r"Postgres cannot be reached: .*no_such_database.* \(PROGRESS_\w*DATABASE_URL\).\n",
        done.stderr,
    )


def test_a_migration_to_nowhere_is_one_sentence(database: Database) -> None:
    with pytest.raises(FatalError, match="migration failed: Can't locate revision"):
        migrate(database.owner_url, "nowhere")


async def test_an_unmigrated_database_names_the_command(
    project: Project, database: Database
) -> None:
    async with project(database) as parts, connect(parts.engine) as connection:
        with pytest.raises(FatalError, match="run `progress-worker migrate`"):
            await check_migrated(connection)


def test_an_unmigrated_database_stops_the_worker(
    deployment: Deployment, database: Database
) -> None:
    variables = deployment.environment(DATABASE_URL=database.worker_url)
    done = run_command(variables, "worker")
    assert done.returncode == 1
    last_words = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(
        r"The database \w+ has no tables of ours in the schemas of its search_path "
        r"\(\"\$user\", public\): run `progress-worker migrate`, .*",
        last_words,
    )


def test_every_learner_tables_key_begins_with_the_learner(migrated_database: Database) -> None:
    keys: dict[str, str] = dict(
        fetch(
            migrated_database.owner_url,
            "SELECT conrelid::regclass::text, a.attname FROM pg_constraint"
            " JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]"
            " WHERE contype = 'p' AND connamespace = 'public'::regnamespace",
        )
    )
    named = {table.name for table in LEARNER_TABLES}
    assert {keys[name] for name in named} == {"user_id"}
    assert set(keys) - named == {
        "outbox",
        "alembic_version",
        "rule_book",
        "running_worker",
        "walk",
        "achievement_rarity",
        "erasure",
        "erasure_receipt",
        "erasure_pepper",
        "command_position",
    }


async def test_the_workers_role_does_its_work_and_no_ddl(
    projected: Projection, migrated_database: Database
) -> None:
    await projected.apply(records(completed("ada")))
    url = migrated_database.worker_url
    assert fetch(url, "SELECT count(*) FROM completion") == [(1,)]
    for statement in (
        "CREATE TABLE mine (value integer)",
        "ALTER TABLE learner ADD COLUMN mine integer",
        "DROP TABLE completion",
        "TRUNCATE learner",
        "UPDATE alembic_version SET version_num = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(url, statement)


def test_the_views_role_only_reads_learners(migrated_database: Database) -> None:
    url = migrated_database.view_url
    for table in privileges.VIEW.keys() - {privileges.REVISION_TABLE}:
        assert fetch(url, f"SELECT count(*) FROM {table}") == [(0,)]
    for statement in (
        "SELECT * FROM learner_counter",
        "SELECT * FROM outbox",
        "INSERT INTO skill_level VALUES ('u', 't', 'expert', 'expert', now())",
        "UPDATE learner SET version = 0",
        "DELETE FROM completion",
        "CREATE TABLE mine (value integer)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(url, statement)


def learner_state() -> LearnerState:
    """A learner with something in every field."""
    state = LearnerState(
        user_id="Zoë 😀",
        rule_book=BOOK.version,
        streaks=Streaks(
            Days([(DAY.toordinal() - 40, DAY.toordinal() - 30), (DAY.toordinal(),) * 2]),
            travelled=Days([(DAY.toordinal() - 7,) * 2]),
        ),
        zone=(NOON, UUID(int=7), "Europe/Berlin"),
        day_start=(NOON, UUID(int=8), 4),
        least_day_offset=-180,
        most_day_offset=120,
        counters=BOOK.new_learner("x").counters,
        totals={("sets", "hard"): Totals(3, 2, 150_00, 600, 4, 2)},
        days={DAY: {("sets", "hard"): Totals(3, 2, 150_00, 600, 4, 2)}},
        levels={"sets": SkillLevel("advanced", "beginner", NOON)},
    )
    state.dirty.excused_days = True
    state.dirty.totals = dict.fromkeys(state.totals, True)
    state.dirty.days = {(DAY, ("sets", "hard")): True}
    state.dirty.levels = dict(state.levels)
    return state


def arrival(state: LearnerState, **changes: object) -> Completion:
    fields = {
        "user_id": state.user_id,
        "event_id": uuid4(),
        "revision": 0,
        "revoked": False,
        "exercise_id": "x",
        "topic": "sets",
        "difficulty": "hard",
        "grade_hundredths": None,
        "time_spent_seconds": 1,
        "hints_used": 0,
        "completed_at": NOON,
        "timezone": None,
        "local_day": DAY,
    } | changes
    return Completion(**fields)  # type: ignore[arg-type]


async def test_a_learner_comes_back_as_saved(projected: Projection) -> None:
    state = learner_state()
    more = {"utc_offset_minutes": -570, "day_starts_at": 4, "cohort": "spring-2026"}
    stored = arrival(state, grade_hundredths=10_000, timezone="Asia/Tokyo", **more)
    async with connect(projected.engine) as connection:
        await save(connection, Changes([state], added=[stored]))
        await connection.commit()
    async with connect(projected.engine) as connection:
        loaded = await load(connection, BOOKS, LearnerCache(0), Erasures(None), [stored])
    assert loaded.stored == {(state.user_id, stored.event_id.int): stored}
    back = loaded.learners[state.user_id]
    state.dirty = back.dirty
    assert back == state


@pytest.mark.parametrize("count", [1, 99, 100, 101])
async def test_rows_are_the_same_however_many_there_are(projected: Projection, count: int) -> None:
    """Few are inserted from arrays, many are copied."""
    state = learner_state()
    stored = [
        arrival(state, exercise_id=f"\"{{\\N,😀}}' {number}", grade_hundredths=number % 2 or None)
        for number in range(count)
    ]
    odd = b"\x00\xff\\\"'{},NULL \n"
    headers: list[tuple[str, bytes | None]] = [
        ("none", None),
        ('odd \\"{}', odd),
        ("é", "é".encode()),
        ("text", b"NULL"),
    ]
    owed = [
        OutboxRecord("t", None if number % 3 else odd, odd * (number % 2), headers[: number % 5])
        for number in range(count)
    ]
    async with connect(projected.engine) as connection:
        await save(
            connection, Changes([state], added=stored), [*owed, OutboxRecord("t", b"", None, [])]
        )
        await connection.commit()
    async with connect(projected.engine) as connection:
        loaded = await load(connection, BOOKS, LearnerCache(0), Erasures(None), stored)
        pending = await outbox.next_records(connection, count + 1)
    assert sorted(loaded.stored.values()) == sorted(stored)
    assert [waiting.record for waiting in pending[:-1]] == owed
    assert pending[-1].record == OutboxRecord("t", b"", None, [])


async def test_a_learner_never_seen_is_a_new_one(projected: Projection) -> None:
    state = LearnerState("nobody")
    async with connect(projected.engine) as connection:
        loaded = await load(connection, BOOKS, LearnerCache(0), Erasures(None), [arrival(state)])
        assert await load_whole(connection, BOOKS, {"nobody"}) == {}
    new = loaded.learners["nobody"]
    assert (new.version, new.totals, new.unlocked, new.counters) == (
        0,
        {},
        set(),
        dict.fromkeys(new.counters, 0),
    )
    assert loaded.stored == {}


@pytest.mark.parametrize("version", [0, 2, 5])
async def test_a_save_on_another_version_changes_nothing(
    projected: Projection, migrated_database: Database, version: int
) -> None:
    state, other = learner_state(), LearnerState("other", counters={})
    async with connect(projected.engine) as connection:
        await save(connection, Changes([state]))
        await connection.commit()
    before = progress(migrated_database.owner_url)
    state.version = version
    state.totals[("sets", "hard")].completions = 99
    with pytest.raises(LearnerChangedError):
        async with connect(projected.engine) as connection:
            await save(connection, Changes([other, state], added=[arrival(state)]))
    assert progress(migrated_database.owner_url) == before


async def test_a_cached_learner_who_is_deleted_starts_from_nothing(
    project: Project, migrated_database: Database
) -> None:
    first, second = completed("ada", topic="sets"), completed("ada", topic="sets")
    async with project(migrated_database) as parts:
        await parts.apply(records(first))
        delete_learner(migrated_database, "ada")
        await parts.splitter.apply(records(second))
    assert stored_events(migrated_database) == [second["event_id"]]
    assert sums(migrated_database) == [1]


async def test_an_old_cache_cannot_save_a_learner_who_started_again(
    project: Project, migrated_database: Database
) -> None:
    old, new, last = (completed("ada", topic="sets") for _ in range(3))
    async with project(migrated_database) as one, project(migrated_database) as other:
        await one.apply(records(old))
        before = version(migrated_database)
        delete_learner(migrated_database, "ada")
        await other.apply(records(new))
        assert version(migrated_database) > before
        with pytest.raises(LearnerChangedError):
            await one.apply(records(last))
        await one.apply(records(last))
    assert stored_events(migrated_database) == sorted([new["event_id"], last["event_id"]])
    assert sums(migrated_database) == [2]


async def test_a_conflict_leaves_the_other_learners_in_the_cache(
    project: Project, migrated_database: Database
) -> None:
    async with project(migrated_database) as parts:
        await parts.apply(records(completed("ada"), completed("bob")))
        execute(migrated_database.owner_url, "UPDATE learner SET version = version + 1")
        for user_id in ("ada", "bob"):  # bob conflicts only if bob is still cached
            with pytest.raises(LearnerChangedError):
                await parts.apply(records(completed(user_id)))
        await parts.apply(records(completed("ada"), completed("bob")))


def delete_learner(database: Database, user_id: str) -> None:
    with psycopg.connect(database.owner_url) as connection:
        for table in LEARNER_TABLES:
            connection.execute(f"DELETE FROM {table.name} WHERE user_id = %s".encode(), [user_id])


def stored_events(database: Database) -> list[str]:
    rows = fetch(database.owner_url, "SELECT event_id::text FROM completion ORDER BY 1")
    return [event_id for (event_id,) in rows]


def sums(database: Database) -> list[int]:
    return [
        count for (count,) in fetch(database.owner_url, "SELECT completions FROM learner_total")
    ]


def version(database: Database) -> int:
    [(found,)] = fetch(database.owner_url, "SELECT version FROM learner")
    return int(found)


@pytest.fixture(scope="module")
def plain_connection(postgres: Postgres) -> Iterator[psycopg.Connection[tuple[list[int]]]]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=st.sets(st.dates(dt.date(1999, 12, 31), dt.date(9999, 12, 30)), max_size=40))
def test_active_days_survive_postgres(
    plain_connection: psycopg.Connection[tuple[list[int]]], days: set[dt.date]
) -> None:
    active = Days()
    for day in days:
        active.add(day)
    query = (
        f"SELECT {bounds('active_days')} FROM (SELECT %s::datemultirange) AS learner (active_days)"
    )
    row = plain_connection.execute(query.encode(), [format_runs(active.runs)]).fetchone()
    assert row is not None
    assert read_runs(row[0]) == active.runs


SEED: tuple[LiteralString, ...] = (
    """INSERT INTO learner (user_id, version, active_days, timezone, timezone_at,
                            timezone_event_id, counters)
       SELECT 'u' || n, 1, '{[2026-03-01,2026-03-02]}', 'Asia/Tokyo', '2026-03-01T12:00:00Z',
              md5('u' || n || '0')::uuid, '{}' FROM generate_series(1, 10000) AS n""",
    """INSERT INTO completion (user_id, event_id, revision, revoked, exercise_id, topic, difficulty,
                               time_spent_seconds, hints_used, completed_at, timezone, local_day)
       SELECT 'u' || n, md5('u' || n || m)::uuid, 0, false, 'x', 'algorithms', 'medium', 60, 1,
              '2026-03-01T12:00:00Z', 'Asia/Tokyo', '2026-03-01'
       FROM generate_series(1, 10000) AS n, generate_series(0, 2) AS m""",
    """INSERT INTO learner_total SELECT 'u' || n, topic, 'medium', 3, 0, 0, 180, 3
       FROM generate_series(1, 10000) AS n, unnest('{algorithms,sets,graphs}'::text[]) AS topic""",
    """INSERT INTO learner_day SELECT 'u' || n, day, 'algorithms', 'medium', 3, 0, 0, 180, 3
       FROM generate_series(1, 10000) AS n, unnest('{2026-03-01,2026-03-02}'::date[]) AS day""",
    """INSERT INTO skill_level SELECT 'u' || n, 'sets', 'expert', 'advanced', now()
       FROM generate_series(1, 10000) AS n""",
    """INSERT INTO achievement_unlock
       SELECT 'u' || n, 'first', now(), '2026-03-01', md5('u' || n || '0')::uuid, 7, 'm', 1, 1,
              false
       FROM generate_series(1, 10000) AS n""",
    """INSERT INTO learner_preference (user_id, revision, issued_at, boards, gamification)
       SELECT 'u' || n, 1, now(), 'hidden', 'on' FROM generate_series(1, 10000) AS n""",
    "ANALYZE",
)


async def test_no_statement_reads_a_whole_learner_table(
    deploy: Deploy, migrated_database: Database, plans: list[str]
) -> None:
    """Every statement that a batch and commands run, explained by Postgres as it runs."""
    learners = [f"u{number}" for number in range(1, 301)]
    watching = deploy(migrated_database).settings(STREAK_AT_RISK_HOURS="20")
    async with projection(watching) as parts:
        event.listen(parts.engine.sync_engine, "connect", collect_into(plans))
        await parts.apply(records(*(completed(name) for name in learners)))
        await parts.apply(records(*map(revoked_first, learners)))
        await parts.recalculation.recalculate("u1")
        await parts.commands.handle(records(preferences("u1", 2))[0])
        warner = Warner(
            parts.engine,
            parts.books,
            Expiries(parts.books),
            Messages.of(watching),
            hours=20,
            outbox_filled=asyncio.Event(),
            time_limit_seconds=8,
            clock=lambda: dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC),
        )
        assert (await warner.warn()).warned == 300
    assert fetch(migrated_database.owner_url, "SELECT sum(revision) FROM completion") == [(300,)]
    for table in LEARNER_TABLES:
        using = [plan for plan in plans if f" on {table.name}" in plan]
        assert using, f"{table.name} was never used"
        assert not [plan for plan in using if f"Seq Scan on {table.name} " in plan]


def revoked_first(user_id: str) -> dict[str, object]:
    """Takes back the seeded completion that names the learner's zone."""
    first = UUID(hashlib.md5(f"{user_id}0".encode(), usedforsecurity=False).hexdigest())
    return completed(user_id, event_id=str(first), revision=1, revoked=True)


@pytest.fixture
def plans(migrated_database: Database) -> list[str]:
    """The plans of a database with 10,000 learners; Postgres sends them to new connections."""
    for statement in SEED:
        execute(migrated_database.owner_url, statement)
    for setting in (
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_level = 'notice'",
    ):
        execute(
            migrated_database.owner_url,
            f"ALTER DATABASE {migrated_database.name} SET {setting}",
        )
    return []


def collect_into(plans: list[str]) -> Callable[[Any, object], None]:
    def listen(connection: Any, _record: object) -> None:
        connection.driver_connection.add_notice_handler(
            lambda notice: plans.append(notice.message_primary)
        )

    return listen
