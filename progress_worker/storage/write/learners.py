"""Loads learners as they are stored: whole, without days, or their streaks only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from typing import Any, Final

from psycopg import AsyncCursor

from progress_worker.domain.occurrences import hold
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import Totals
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.arrays import array
from progress_worker.storage.assembling import CLOCK, learner_state, set_clock
from progress_worker.storage.database import Connection
from progress_worker.storage.days import COLUMNS, bounds
from progress_worker.storage.rows import DAY, LEVEL, TOTAL
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import buckets, rulebooks

#: A learner's columns after the days; `_read_learner` reads them.
_OTHERS: Final = (
    "version",
    "counters",
    "completions_kept_from",
    "CASE WHEN rule_book_at = version THEN rule_book END",
    "coalesce(complete_at = version, false)",
    "least_day_offset",
    "most_day_offset",
    "lost_unlocks",
    "erased_until",
    "gamification",
    *CLOCK,
)
_LEARNERS: Final = f"""
SELECT user_id, {", ".join([*map(bounds, COLUMNS), *_OTHERS])}
FROM learner WHERE user_id = ANY(%s::text[])
"""
VERSIONS: Final = "SELECT user_id, version FROM learner WHERE user_id = ANY(%s::text[])"
_TOTALS: Final = TOTAL.select_of_learners
_LEVELS: Final = LEVEL.select_of_learners
_UNLOCKED: Final = """
SELECT user_id, achievement_id, occurrence FROM achievement_unlock WHERE user_id = ANY(%s::text[])
"""


async def load_whole(
    connection: Connection, books: RuleBooks, users: Set[str]
) -> dict[str, LearnerState]:
    """These learners with every day and bucket; those who were never seen are left out.

    Several statements read them. Raises LearnerChangedError when another transaction changed one
    of them in between, which cannot happen in a snapshot.
    """
    async with connection.pipeline():
        answers = await ask_for_learners(connection, users)
        days = await execute(connection, DAY.select_of_learners, users)
        counts = await buckets.ask_all(connection, users)
        versions = await execute(connection, VERSIONS, users)
    learners = await read_learners(connection, books, users, answers)
    if dict(await versions.fetchall()) != {
        s.user_id: s.version for s in learners.values() if s.version
    }:
        raise LearnerChangedError("a learner was changed while it was read")
    for user_id, local_day, topic, difficulty, *numbers in await days.fetchall():
        learners[user_id].days.setdefault(local_day, {})[topic, difficulty] = Totals(*numbers)
    buckets.put(learners, await counts.fetchall())
    return {user_id: state for user_id, state in learners.items() if state.version}


async def load_without_days(
    connection: Connection, books: RuleBooks, users: Set[str], bucket_keys: Sequence[str]
) -> dict[str, LearnerState]:
    """These learners without day snapshots, with the buckets under these keys.

    Those who were never seen are left out. Several statements read them, so read in a snapshot.
    Raises what `rulebooks.fetch` raises.
    """
    async with connection.pipeline():
        answers = await ask_for_learners(connection, users)
        if bucket_keys:
            counts = await buckets.ask_whole(connection, users, bucket_keys)
    learners = await read_learners(connection, books, users, answers)
    if bucket_keys:
        buckets.put(learners, await counts.fetchall())
    return {user_id: state for user_id, state in learners.items() if state.version}


async def load_streaks(
    connection: Connection, books: RuleBooks, users: Iterable[str]
) -> dict[str, LearnerState]:
    """The days, the clock and the rule book of these learners, and nothing of their sums.

    One statement reads them; those who were never seen are left out. A save of such a state
    changes nothing but what it has.
    """
    rows = await (await execute(connection, _LEARNERS, users)).fetchall()
    states = {row[0]: _read_learner(row, (), (), ()) for row in rows}
    await rulebooks.fetch(connection, books, {state.rule_book for state in states.values()})
    return states


async def ask_for_learners(connection: Connection, users: Set[str]) -> list[AsyncCursor[Any]]:
    """Ask for what `read_learners` reads. Raises psycopg.Error."""
    return [
        await execute(connection, statement, users)
        for statement in (_LEARNERS, _TOTALS, _LEVELS, _UNLOCKED)
    ]


async def read_learners(
    connection: Connection,
    books: RuleBooks,
    users: Set[str],
    answers: Sequence[AsyncCursor[Any]],
) -> dict[str, LearnerState]:
    """The learners as they are stored, without day snapshots; one never seen has version 0."""
    learners, *others = [await answer.fetchall() for answer in answers]
    totals, levels, unlocked = (_by_learner(rows) for rows in others)
    states = {
        row[0]: _read_learner(row, totals[row[0]], levels[row[0]], unlocked[row[0]])
        for row in learners
    }
    await rulebooks.fetch(connection, books, {state.rule_book for state in states.values()})
    for state in states.values():
        if state.rule_book is None:
            # An older release saved this learner, maybe with other filters, which no longer count.
            state.counters = books.active.counters.known(state.counters)
    # Another transaction may have added a learner since the first answer. Then the versions, which
    # are read last, show it.
    for user_id in users - states.keys():
        states[user_id] = books.active.new_learner(user_id)
    return states


def _read_learner(
    row: Sequence[Any],
    totals: Sequence[Sequence[Any]],
    levels: Sequence[Sequence[Any]],
    unlocked: Sequence[Sequence[Any]],
) -> LearnerState:
    """The state from a row of `_LEARNERS` and the learner's rows of other tables."""
    user_id, *days = row[: 1 + len(COLUMNS)]
    version, counters, kept_from, rule_book, complete, least, most, *others = row[
        1 + len(COLUMNS) :
    ]
    lost, erased_until, gamification, *clock = others
    state = learner_state(
        user_id,
        version=version,
        days=days,
        counters=counters,
        totals=totals,
        levels=levels,
        unlocked=(),
        rule_book=rule_book,
    )
    for achievement_id, occurrence in unlocked:
        hold(state.unlocked, achievement_id, occurrence)
    if lost:
        state.lost = lost
    state.erased_until = erased_until
    if gamification is not None:
        state.gamification = gamification
    state.kept_from = kept_from
    state.complete = complete
    set_clock(state, clock)
    state.least_day_offset, state.most_day_offset = least, most
    return state


def _by_learner(rows: Iterable[Sequence[Any]]) -> defaultdict[str, list[Sequence[Any]]]:
    """The other columns of rows that begin with `user_id`."""
    found: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for user_id, *columns in rows:
        found[user_id].append(columns)
    return found


async def execute(
    connection: Connection, statement: str, *columns: Iterable[object]
) -> AsyncCursor[Any]:
    """Run a statement whose parameters are arrays."""
    return await connection.execute(statement, [array(c) for c in columns], binary=True)
