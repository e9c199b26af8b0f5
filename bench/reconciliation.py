"""Compares a contestant's tables with the only correct result."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from typing import Any, LiteralString, TypeVar

import psycopg

from bench.workload import Expected, Sums, Workload
from progress_worker.demo.check import learner_differences
from progress_worker.demo.read import database, learners

_CONNECT_SECONDS = 10

#: Leaves out the learners that were stored before the worker began.
_NO_OTHERS: LiteralString = "WHERE strpos(user_id, '~') = 0"
_LEARNERS: LiteralString = f"SELECT user_id FROM learner {_NO_OTHERS}"
_COMPLETIONS: LiteralString = f"SELECT user_id, event_id FROM completion {_NO_OTHERS}"
_UNLOCKS: LiteralString = "SELECT user_id, achievement_id, occurrence FROM achievement_unlock"

# The tables of the others: the key's columns and then the five sums, or the key's columns alone.
_SUMS: LiteralString = "completions, graded, grade_hundredths, time_spent_seconds, hints_used"
_TOTALS: LiteralString = f"SELECT user_id, {_SUMS} FROM learner"
_TOPICS: LiteralString = f"SELECT user_id, topic, {_SUMS} FROM learner_topic"
_DAYS: LiteralString = f"SELECT user_id, local_day, {_SUMS} FROM learner_day"
_ACTIVE_DAYS: LiteralString = """
SELECT user_id, generate_series(lower(run), upper(run) - 1, interval '1 day')::date
FROM learner, unnest(active_days) AS run
"""

Key = TypeVar("Key", bound=Hashable)


def our_differences(
    url: str, workload: Workload, published: Iterable[tuple[str, str, int]]
) -> list[str]:
    """One sentence for each thing that is wrong with the worker's tables and published unlocks.

    Raises psycopg.Error, and FatalError for what Postgres refuses.
    """
    expected = workload.expected
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        found = {
            "completions": _compare(_keys(connection, _COMPLETIONS), expected.completions.keys()),
            "stored unlocks": _compare(_keys(connection, _UNLOCKS), expected.unlocks),
            "published unlocks": _compare(set(published), expected.unlocks),
        }
    wrong = asyncio.run(_wrong_learners(url, workload))
    first = [f"{len(wrong)} parts of learners are wrong, first: {wrong[0]}"] if wrong else []
    return _counted(found) + first


async def _wrong_learners(url: str, workload: Workload) -> list[str]:
    async with database(url) as connection:
        stored = await learners(connection, workload.book, _LEARNERS)
    return list(learner_differences(workload.learners, stored))


def their_differences(url: str, expected: Expected) -> list[str]:
    """The same for the tables of the others. Raises psycopg.Error."""
    active = expected.days.keys()
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        found = {
            "completions": _compare(_keys(connection, _COMPLETIONS), expected.completions.keys()),
            "totals": _compare_sums(_sums(connection, _TOTALS, _first), expected.totals),
            "topics": _compare_sums(_sums(connection, _TOPICS, _pair), expected.topics),
            "days": _compare_sums(_sums(connection, _DAYS, _pair), expected.days),
            "active days": _compare(_keys(connection, _ACTIVE_DAYS), active),
        }
    return _counted(found)


def _counted(found: Mapping[str, int]) -> list[str]:
    return [f"{wrong} of the {name} are wrong" for name, wrong in found.items() if wrong]


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


def _compare(found: Set[Any], expected: Set[Any]) -> int:
    return len(found ^ expected)


def _compare_sums(found: Mapping[Any, Sums], expected: Mapping[Any, Sums]) -> int:
    return len(dict(found.items() ^ expected.items()))
