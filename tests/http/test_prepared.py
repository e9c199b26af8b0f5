"""Prepared statements of a session: values and rows, errors, and a wait that is cancelled."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text

from progress_worker.embedded.database import Database
from progress_worker.storage.read.pool import ReadSession
from progress_worker.storage.read.prepared import PreparedStatements, Queries

pytestmark = pytest.mark.integration

QUERIES = Queries()
ECHO = QUERIES[
    text(
        "SELECT CAST(:text AS text), CAST(:day AS date) + 1 AS day, CAST(:number AS integer) AS n,"
        " ARRAY[1, 2] AS numbers, '{\"a\": 1}'::jsonb AS json, now() AS at,"
        " CAST(:numbers AS bigint[]) AS given WHERE :number > 0"
    )
]
INVERSE = QUERIES[text("SELECT 60 / CAST(:number AS integer) AS inverse")]
DAY = dt.date(2026, 11, 30)


@pytest_asyncio.fixture
async def session(migrated_database: Database) -> AsyncIterator[ReadSession]:
    async with await ReadSession.connect(
        migrated_database.view_url, autocommit=True, connect_timeout=10
    ) as found:
        yield found


async def test_values_and_rows(session: ReadSession) -> None:
    prepared = PreparedStatements(session)
    given = {"text": "a'b\\ü😀", "day": DAY, "number": 7, "numbers": "{1,-2}"}
    row = await prepared.one(ECHO, given)
    assert row[:5] == (given["text"], DAY + dt.timedelta(1), 7, [1, 2], {"a": 1})
    assert (row.text, row.n, row.given) == (given["text"], 7, [1, -2])
    assert row.at.tzinfo is not None
    assert await prepared.one(ECHO, given | {"number": -40_000}) is None
    assert (await prepared.one(ECHO, given | {"text": None})).text is None


async def test_a_column_needs_no_name_of_its_own(session: ReadSession) -> None:
    assert await PreparedStatements(session).one(QUERIES[text("SELECT 1, 2")], {}) == (1, 2)


async def test_a_statement_is_prepared_once(session: ReadSession) -> None:
    prepared = PreparedStatements(session)
    for number in (1, 2, 3):
        assert (await prepared.one(INVERSE, {"number": number})).inverse == 60 // number
    assert await prepared.one(QUERIES[text("SELECT 0")], {}) == (0,)
    names = await session.execute("SELECT name FROM pg_prepared_statements ORDER BY name")
    assert await names.fetchall() == [("read_0",), ("read_1",)]


async def test_a_failed_statement_leaves_the_session_in_order(session: ReadSession) -> None:
    prepared = PreparedStatements(session)
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await prepared.one(INVERSE, {"number": 0})
        with pytest.raises(psycopg.errors.SyntaxError):
            await prepared.one(QUERIES[text("SELEC")], {})
        with pytest.raises(psycopg.DataError):
            await prepared.one(INVERSE, {"number": "\0"})
        assert (await prepared.one(INVERSE, {"number": 4})).inverse == 15


async def test_a_wait_that_is_cancelled_closes_the_session(session: ReadSession) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await PreparedStatements(session).one(QUERIES[text("SELECT pg_sleep(600)")], {})
    assert session.closed


async def test_a_session_that_the_server_ends_says_so(
    session: ReadSession, migrated_database: Database
) -> None:
    prepared = PreparedStatements(session)
    waiting = asyncio.create_task(prepared.one(QUERIES[text("SELECT pg_sleep(600)")], {}))
    with psycopg.connect(migrated_database.owner_url, autocommit=True) as owner:
        async with asyncio.timeout(20):
            while not waiting.done():
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE '%%pg_sleep%%' AND pid = %s",
                    [session.info.backend_pid],
                )
                await asyncio.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        await waiting
    assert session.closed
