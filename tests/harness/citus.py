"""Finds what Citus would refuse about a statement, from its text and Postgres's plan.

Tables are distributed by user_id. A statement that finds every row of a learner table by user_id is
sent to the rows' nodes. Citus 13.2 was seen to refuse SELECTs that lock the rows of several
learners, MERGE, SQL functions with parameters, and changes of user_id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from progress_worker.storage.schema.tables import LEARNER_TABLES

NAMES = {table.name for table in LEARNER_TABLES}
_CURSOR = re.compile(r'^DECLARE "?\w+"? .*?CURSOR .*?FOR ', re.DOTALL)
_CONDITIONS = ("Index Cond", "Recheck Cond")


def objections(
    connection: psycopg.Connection[Any], statement: str, parameters: Mapping[str, Any] | None = None
) -> list[str]:
    """Why Citus would refuse a statement on learner tables; `$1` stands for a parameter."""
    query = _CURSOR.sub("", statement)
    if not tables_of(query):
        return []
    if query.startswith("COPY"):
        return [] if "user_id" in query else ["copies rows without user_id"]
    if re.search(r"\bMERGE\b", query):
        return ["MERGE"]
    found = []
    if re.search(r"\bFOR (NO KEY )?(UPDATE|KEY SHARE|SHARE)\b", query):
        found.append("locks rows by SELECT")
    if re.search(r"\buser_id\s*=", _assignments(query)):
        found.append("changes user_id")
    if (conflict := re.search(r"ON CONFLICT(?: \((\w+))?", query)) and conflict[1] != "user_id":
        found.append("looks for a conflict without user_id")
    return [*found, *_scans_without_user(_plan(connection, query, parameters))]


def tables_of(statement: str) -> set[str]:
    """The learner tables that a statement names."""
    return NAMES & set(re.findall(r"\w+", statement))


def functions_of(connection: psycopg.Connection[Any]) -> list[str]:
    """The functions of a database, without Postgres's own and those of extensions."""
    rows = connection.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p"
        " WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    ).fetchall()
    return [row[0] for row in rows]


def _assignments(query: str) -> str:
    """The assignments of an UPDATE."""
    found = re.search(r"\bSET\b(.*?)(\bWHERE\b|\bFROM\b|$)", query, re.DOTALL)
    return "" if found is None else found[1]


def _plan(
    connection: psycopg.Connection[Any], query: str, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    generic = "" if parameters else "GENERIC_PLAN, "
    explained = f"EXPLAIN ({generic}FORMAT JSON) {query}"
    row = connection.execute(explained.encode(), parameters).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _scans_without_user(node: dict[str, Any]) -> Iterator[str]:
    if "Scan" in node["Node Type"] and node.get("Relation Name") in NAMES:
        conditions = " ".join(str(node.get(name, "")) for name in _CONDITIONS)
        # What is due at a time is looked up in every shard, by the index, once in a while.
        is_due = node.get("Index Name") == "ix_streak_expiry_expires_at"
        if "user_id" not in conditions and not is_due:
            yield f"finds rows of {node['Relation Name']} without user_id"
    for part in node.get("Plans", ()):
        yield from _scans_without_user(part)
