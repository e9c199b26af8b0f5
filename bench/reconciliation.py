"""Compares a contestant's tables with the only right result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg

from bench.workload import Expected, Sums

_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Reading:
    """How the result is read from a contestant's tables.

    Each query gives the key's columns and then the five sums, or the key's columns alone.
    """

    completions: LiteralString
    totals: LiteralString
    topics: LiteralString
    days: LiteralString
    active_days: LiteralString


_OURS_SUMS: LiteralString = (
    "sum(completions), sum(graded), sum(grade_hundredths), sum(time_spent_seconds), sum(hints_used)"
)
_SUMS: LiteralString = "completions, graded, grade_hundredths, time_spent_seconds, hints_used"
#: Those that were stored before the contestant began.
_NO_OTHERS: LiteralString = "WHERE strpos(user_id, '~') = 0"
_COMPLETIONS: LiteralString = f"SELECT user_id, event_id FROM completion {_NO_OTHERS}"
_ACTIVE_DAYS: LiteralString = f"""
SELECT user_id, generate_series(lower(run), upper(run) - 1, interval '1 day')::date
FROM learner, unnest(active_days) AS run {_NO_OTHERS}
"""

OURS = Reading(
    completions=_COMPLETIONS,
    totals=f"SELECT user_id, {_OURS_SUMS} FROM learner_total {_NO_OTHERS} GROUP BY 1",
    topics=f"SELECT user_id, topic, {_OURS_SUMS} FROM learner_total {_NO_OTHERS} GROUP BY 1, 2",
    days=f"SELECT user_id, local_day, {_OURS_SUMS} FROM learner_day {_NO_OTHERS} GROUP BY 1, 2",
    active_days=_ACTIVE_DAYS,
)
THEIRS = Reading(
    completions=_COMPLETIONS,
    totals=f"SELECT user_id, {_SUMS} FROM learner",
    topics=f"SELECT user_id, topic, {_SUMS} FROM learner_topic",
    days=f"SELECT user_id, local_day, {_SUMS} FROM learner_day",
    active_days=_ACTIVE_DAYS,
)

_UNLOCKS: LiteralString = "SELECT user_id, achievement_id FROM achievement_unlock"

Key = TypeVar("Key", bound=Hashable)


def differences(url: str, reading: Reading, expected: Expected) -> list[str]:
    """What is wrong, a sentence each; empty when all is right. Raises psycopg.Error."""
    active = set(expected.days)
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        found = {
            "completions": _compare(_keys(connection, reading.completions), expected.completions),
            "totals": _compare_sums(_sums(connection, reading.totals, _first), expected.totals),
            "topics": _compare_sums(_sums(connection, reading.topics, _pair), expected.topics),
            "days": _compare_sums(_sums(connection, reading.days, _pair), expected.days),
            "active days": _compare(_keys(connection, reading.active_days), active),
        }
    return [f"{wrong} of the {name} are wrong" for name, wrong in found.items() if wrong]


def unlock_differences(
    url: str, expected: Expected, published: Iterable[tuple[str, str]]
) -> list[str]:
    """The same for the unlocks in the database and on their topic. Raises psycopg.Error."""
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        stored = _keys(connection, _UNLOCKS)
    found = {
        "stored": _compare(stored, expected.unlocks),
        "published": _compare(set(published), expected.unlocks),
    }
    return [f"{wrong} of the {name} unlocks are wrong" for name, wrong in found.items() if wrong]


def _keys(connection: psycopg.Connection, query: LiteralString) -> set[tuple[Any, ...]]:
    return set(connection.execute(query))


def _sums(
    connection: psycopg.Connection, query: LiteralString, key: Callable[[tuple[Any, ...]], Key]
) -> dict[Key, Sums]:
    return {
        key(row): (int(row[-5]), int(row[-4]), int(row[-3]), int(row[-2]), int(row[-1]))
        for row in connection.execute(query)
    }


def _first(row: tuple[Any, ...]) -> str:
    return str(row[0])


def _pair(row: tuple[Any, ...]) -> tuple[str, str | dt.date]:
    return row[0], row[1]


def _compare(found: set[Any], expected: set[Any]) -> int:
    return len(found ^ expected)


def _compare_sums(found: Mapping[Any, Sums], expected: Mapping[Any, Sums]) -> int:
    return len(dict(found.items() ^ expected.items()))
