"""Each statement reads one learner by index, however many learners there are."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest
from sqlalchemy import Select, create_engine

from progress_worker.embedded.database import Database
from progress_worker.storage.read import statements as view_statements
from progress_worker.storage.read.tables import (
    COMPLETIONS,
    DAYS,
    EVERY_UNLOCK,
    EXCUSES,
    PREFERENCE_ROWS,
    UNLOCK_VERSIONS,
    UNLOCKS,
)

pytestmark = pytest.mark.integration

STATEMENTS: dict[str, Select[Any]] = {
    "stamp": view_statements.STAMP,
    "learner": view_statements.LEARNER_STATE,
    "page": view_statements.LEARNER_AND_DAYS,
    "topic": view_statements.TOPIC,
    "statistics": view_statements.STATISTICS,
    "history": view_statements.HISTORY,
    "streak": view_statements.STREAK,
    "preferences": view_statements.PREFERENCES,
    "completions": COMPLETIONS,
    "explanation": view_statements.LEARNER_AND_RETENTION,
    "unlocks": UNLOCKS,
    "every unlock": EVERY_UNLOCK,
    "unlock versions": UNLOCK_VERSIONS,
    "days": DAYS,
    "excuses": EXCUSES,
    "preference rows": PREFERENCE_ROWS,
    "changes": view_statements.CHANGES,
}
PARAMETERS = {
    "user_id": "learner-1",
    "topic": "topic",
    "achievement_id": "first",
    "first_day": dt.date(2026, 11, 1),
    "last_day": dt.date(2026, 11, 23),
    "user_ids": "{learner-1,learner-2}",
    "known_versions": "{1,1}",
    "newer_than": "{1,1}",
}

LEARNERS = """
INSERT INTO learner (user_id, version, active_days, counters)
    SELECT 'learner-' || n, 1, '{}', '{}' FROM generate_series(1, 5000) AS n;
INSERT INTO learner_total
    SELECT 'learner-' || n, 'topic', 'easy', 1, 1, 8000, 60, 0 FROM generate_series(1, 5000) AS n;
INSERT INTO learner_preference
    SELECT 'learner-' || n, 1, now(), 'named', 'A', 'on', 'minutes', 60
    FROM generate_series(1, 5000) AS n;
INSERT INTO learner_day
    SELECT 'learner-' || n, date '2026-11-01' + d, 'topic', 'easy', 1, 1, 8000, 60, 0
    FROM generate_series(1, 5000) AS n, generate_series(1, 3) AS d;
INSERT INTO skill_level
    SELECT 'learner-' || n, 'topic', 'expert', 'advanced', now() FROM generate_series(1, 5000) AS n;
INSERT INTO achievement_unlock
    SELECT 'learner-' || n, 'first', now(), current_date, gen_random_uuid(), 1, 'm', 1, 1, false
    FROM generate_series(1, 5000) AS n;
INSERT INTO excuse
    SELECT 'learner-' || n, gen_random_uuid(), 0, false, now(), 'sick', current_date, current_date
    FROM generate_series(1, 5000) AS n;
INSERT INTO completion
    SELECT 'learner-' || n, gen_random_uuid(), 0, false, 'x', 'topic', 'easy', 8000, 60, 0, now(),
           NULL, current_date
    FROM generate_series(1, 5000) AS n;
ANALYZE;
"""


def plan(connection: psycopg.Connection[Any], statement: Select[Any]) -> dict[str, Any]:
    """How Postgres would run the statement."""
    compiled = statement.compile(create_engine("postgresql+psycopg://"))
    query = f"EXPLAIN (FORMAT JSON) {compiled}".encode()
    row = connection.execute(query, {**compiled.params, **PARAMETERS}).fetchone()
    assert row is not None
    found: dict[str, Any] = row[0][0]["Plan"]
    return found


def scans(node: dict[str, Any]) -> list[tuple[str, str]]:
    """Every table that the plan reads, and how."""
    here = [(node["Relation Name"], node["Node Type"])] if "Relation Name" in node else []
    return here + [scan for part in node.get("Plans", ()) for scan in scans(part)]


def test_every_statement_reads_by_index(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.owner_url) as connection:
        connection.execute(LEARNERS)
        for name, statement in STATEMENTS.items():
            found = scans(plan(connection, statement))
            assert found, name
            assert all(kind != "Seq Scan" for _, kind in found), (name, found)


def test_the_stamp_is_one_look_up_by_primary_key(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.owner_url) as connection:
        connection.execute(LEARNERS)
        found = plan(connection, view_statements.STAMP)
    assert (found["Node Type"], found["Index Name"]) == ("Index Scan", "pk_learner")
    assert "Plans" not in found
