"""An export with explanations takes little memory, in every format, however long it is."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from progress_worker.domain.rulebook import RuleBook, built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.http.served import serve_view

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc"),
]

COMPLETIONS = 100_000
ALLOWED_GROWTH = 60 * 1024 * 1024
TIMEOUT = httpx.Timeout(240)
#: Every exercise is another one, so that what remembers exercises remembers most.
FILL = """
INSERT INTO learner (user_id, version, active_days, counters, rule_book, rule_book_at)
    VALUES ('ada', 1, '{[2020-01-01,2026-11-05)}', '{}', %(version)s, 1);
INSERT INTO completion
    SELECT 'ada', gen_random_uuid(), n %% 3, n %% 50 = 0, 'exercise-' || n, 'topic-' || n %% 20,
           (ARRAY['easy', 'medium', 'hard'])[1 + n %% 3], 5000 + n %% 5001, n %% 900, n %% 4,
           timestamptz '2020-01-01 00:00Z' + n * interval '36 minutes', 'Europe/Berlin',
           date '2020-01-01' + n / 40
    FROM generate_series(1, %(count)s) AS n;
INSERT INTO learner_day
    SELECT 'ada', local_day, topic, difficulty, count(*), count(*), sum(grade_hundredths),
           sum(time_spent_seconds), sum(hints_used)
    FROM completion GROUP BY local_day, topic, difficulty;
INSERT INTO learner_total
    SELECT 'ada', topic, difficulty, sum(completions), sum(graded), sum(grade_hundredths),
           sum(time_spent_seconds), sum(hints_used)
    FROM learner_day GROUP BY topic, difficulty;
"""
BOOK = "INSERT INTO rule_book VALUES (%s, 'default', %s, 1, %s)"
UNLOCK = """
INSERT INTO achievement_unlock
    SELECT 'ada', %s, completed_at, local_day, event_id, %s, 'exercises_completed', 1, 1, false, 1,
           %s
    FROM completion OFFSET %s LIMIT 1
"""


def books() -> dict[str, RuleBook]:
    """The built-in rule book, and the same as an older version of it, by their text."""
    text = built_in_text()
    version = read_rule_book(text).version
    older = text.replace(f"version: {version}", f"version: {version - 1}")
    return {each: read_rule_book(each) for each in (text, older)}


def fill(connection: psycopg.Connection[Any]) -> int:
    """A learner with everything; returns how many unlocks."""
    texts = books()
    newest, older = texts.values()
    query = psycopg.ClientCursor(connection)
    query.execute(FILL, {"version": newest.version, "count": COMPLETIONS})
    for text, book in texts.items():
        connection.execute(BOOK, [book.version, book.digest, text])
    unlocks = list(product((newest, older), newest.achievements))
    for place, (book, achievement) in enumerate(unlocks):
        occurrence = 202648 if achievement.repeat == "each_week" else 1
        if book is newest or achievement.repeat is not None:
            occurrence += book is older
            unlock = [achievement.id, book.version, occurrence, place * 100]
            connection.execute(UNLOCK, unlock)
    connection.execute("ANALYZE")
    found = connection.execute("SELECT count(*) FROM achievement_unlock").fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture(scope="module")
def unlocks(database: Database) -> int:
    with psycopg.connect(database.owner_url) as connection:
        return fill(connection)


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    found = postgres.create_database("export_memory", migrated_template)
    yield found
    postgres.drop_database(found.name)


@pytest.mark.parametrize("kind", ["json", "csv", "xapi", "zip"])
def test_a_long_export_takes_little_memory(
    database: Database, unlocks: int, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "export"
    with serve_view(database) as served:
        url = f"{served.url}/api/progress/export?format={kind}"
        httpx.get(url, headers=served.headers("bob"), timeout=TIMEOUT).raise_for_status()
        before = served.peak_bytes()
        with (
            httpx.stream("GET", url, headers=served.headers("ada"), timeout=TIMEOUT) as answer,
            file.open("wb") as received,
        ):
            assert answer.status_code == 200
            for chunk in answer.iter_bytes():
                received.write(chunk)
        grown = served.peak_bytes() - before
    assert grown < ALLOWED_GROWTH
    assert_complete(kind, file, unlocks)


def assert_complete(kind: str, file: Path, unlocks: int) -> None:
    if kind == "csv":
        assert file.read_bytes().count(b"\r\n") == COMPLETIONS + 1
    elif kind == "xapi":
        assert len(json.loads(file.read_bytes())) == COMPLETIONS - COMPLETIONS // 50
    elif kind == "json":
        assert_whole(json.loads(file.read_bytes()), unlocks)
    else:
        with zipfile.ZipFile(file) as archive:
            assert_whole(json.loads(archive.read("export.json")), unlocks)
            assert archive.read("unlocks.csv").count(b"\r\n") >= unlocks


def assert_whole(exported: Any, unlocks: int) -> None:
    assert len(exported["completions"]) == COMPLETIONS
    assert len(exported["unlocks"]) == unlocks
    assert all(each["rule"]["sentence"] for each in exported["unlocks"])
