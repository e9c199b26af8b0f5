"""Settings of the server, database, role or environment do not change an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from starlette.types import Message
from structlog.testing import capture_logs

from progress_worker.embedded.database import VIEW_ROLE, Database
from tests.harness.storage import execute
from tests.http.served import add_completions
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

PATHS = ("", "/achievements", "/statistics", "/history", "/streak", "/skill-levels", "/export")
SETTINGS = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Tokyo",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "bytea_output": "escape",
    "lock_timeout": "1ms",
    "idle_session_timeout": "300ms",
    "idle_in_transaction_session_timeout": "300ms",
    "transaction_timeout": "300ms",
    "statement_timeout": "900ms",
}


def set_for_the_view(database: Database, settings: dict[str, str]) -> None:
    """Give every new session of the view's role these settings."""
    with psycopg.connect(database.owner_url, autocommit=True, connect_timeout=10) as connection:
        for name, value in settings.items():
            statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                *map(sql.Identifier, (VIEW_ROLE, database.name, name)), sql.Literal(value)
            )
            connection.execute(statement)


async def answers(stage: Stage) -> dict[str, Any]:
    """The view's answer on every path."""
    return {path: await stage.read(path) for path in PATHS}


async def test_no_answer_depends_on_them(
    stages: StageMaker, migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await stages(migrated_database)
    for day in (21, 22, 23):
        await stage.complete(f"2026-11-{day}T10:00:00.25Z", timezone="Europe/Berlin")
    usual = await answers(stage)
    set_for_the_view(migrated_database, SETTINGS)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    assert await answers(await stages(migrated_database)) == usual
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("PGTZ", "America/New_York")
    other = await stages(migrated_database)
    assert await answers(other) == usual
    # The server ends idle sessions meanwhile.
    await asyncio.sleep(0.5)
    assert await answers(other) == usual


async def test_an_export_whose_reader_pauses_is_complete(
    stages: StageMaker, migrated_database: Database
) -> None:
    set_for_the_view(migrated_database, SETTINGS)
    stage = await stages(migrated_database)
    add_completions(migrated_database, "ada", 1_200)
    exported = await read_slowly(stage, pause_seconds=0.6)
    assert exported.endswith(b"]}")
    assert exported.count(b'"event_id"') == 1_200


async def test_an_export_has_a_time_limit_whatever_its_reader_does(
    stages: StageMaker, migrated_database: Database
) -> None:
    stage = await stages(migrated_database, view_export_timeout_seconds=2)
    add_completions(migrated_database, "ada", 1_200)
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            exported = await read_slowly(stage, pause_seconds=3_600)
    assert not exported.endswith(b"]}")
    cut = [entry["reason"] for entry in logs if entry["event"] == "view_export_cut_off"]
    assert cut == ["The time limit of an export is over."]
    # The learner's place is free again.
    assert len((await stage.read("/export"))["completions"]) == 1_200


async def read_slowly(stage: Stage, pause_seconds: float) -> bytes:
    """The body of a JSON export, read by a client that pauses after each piece."""
    received: list[bytes] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if body := message.get("body"):
            received.append(body)
            await asyncio.sleep(pause_seconds)

    token = f"Bearer {stage.token()}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/progress/export",
        "query_string": b"",
        "headers": [(b"authorization", token)],
        "scheme": "http",
        "server": ("view.test", 80),
    }
    await stage.app(scope, receive, send)
    return b"".join(received)


async def test_a_policy_that_hides_rows_is_said_and_not_shown_as_nothing(
    stages: StageMaker, migrated_database: Database
) -> None:
    stage = await stages(migrated_database)
    await stage.complete("2026-11-23T10:00:00Z")
    execute(migrated_database.owner_url, "ALTER TABLE learner ENABLE ROW LEVEL SECURITY")
    with capture_logs() as logs:
        assert (await stage.get("")).status_code == 503
    (said,) = [entry["reason"] for entry in logs if entry["event"] == "view_request"]
    assert 'row-level security policy for table "learner"' in said


async def test_the_address_says_where_the_tables_are(
    stages: StageMaker, migrated_database: Database
) -> None:
    stage = await stages(migrated_database)
    await stage.complete("2026-11-23T10:00:00Z")
    execute(migrated_database.owner_url, "ALTER SCHEMA public RENAME TO progress")
    url = f"{migrated_database.view_url}?options=-csearch_path%3Dprogress"
    asks = await stages(replace(migrated_database, view_url=url))
    assert (await asks.read(""))["exercises_completed"] == 1
    assert (await stage.client.get("/readyz")).status_code == 503


async def test_a_column_whose_type_changes_needs_no_restart(
    stages: StageMaker, migrated_database: Database
) -> None:
    stage = await stages(migrated_database, view_pool_size=2)
    await stage.complete("2026-11-23T10:00:00Z")
    await asyncio.gather(*(stage.read("") for _ in range(4)))
    execute(migrated_database.owner_url, "ALTER TABLE learner ALTER timezone TYPE varchar(200)")
    assert (await stage.read(""))["exercises_completed"] == 1
