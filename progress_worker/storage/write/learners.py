"""Loads the learners that a batch concerns.

A load takes no locks. It reads a learner's version first and again last, so all that it read in
between belongs together. A save compares the version once more: a learner that somebody else
changed in the meantime makes the load or the save fail as a whole.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from psycopg import AsyncCursor

from progress_worker.domain import travel
from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import Totals
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.arrays import array
from progress_worker.storage.assembling import CLOCK, learner_state, set_clock
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.days import COLUMNS, bounds
from progress_worker.storage.rows import COMPLETION, DAY, LEVEL, TOTAL
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks
from progress_worker.storage.write.cache import LearnerCache

#: A completion's identity: the learner and the event id as a number, which is hashed faster.
CompletionKey = tuple[str, int]

#: A learner's columns after the days; `_read_learner` reads them.
_OTHERS: Final = (
    "version",
    "counters",
    "completions_kept_from",
    "CASE WHEN rule_book_at = version THEN rule_book END",
    "coalesce(complete_at = version, false)",
    "least_day_offset",
    "most_day_offset",
    *CLOCK,
)
_LEARNERS: Final = f"""
SELECT user_id, {", ".join([*map(bounds, COLUMNS), *_OTHERS])}
FROM learner WHERE user_id = ANY(%s::text[])
"""
_VERSIONS: Final = "SELECT user_id, version FROM learner WHERE user_id = ANY(%s::text[])"
_TOTALS: Final = TOTAL.select_of_learners
_LEVELS: Final = LEVEL.select_of_learners
_UNLOCKED: Final = """
SELECT user_id, achievement_id FROM achievement_unlock WHERE user_id = ANY(%s::text[])
"""
_DAYS: Final = DAY.select_wanted("user_id", "local_day")
_STORED: Final = COMPLETION.select_wanted("user_id", "event_id")
_LIVED: Final = f"{COMPLETION.select_wanted('user_id', 'local_day')} WHERE NOT revoked"


@dataclass(slots=True)
class Loaded:
    """What a batch needs to know: learners by id, and completions that it would store again."""

    learners: dict[str, LearnerState]
    stored: dict[CompletionKey, Completion]


async def load(
    connection: Connection, books: RuleBooks, cache: LearnerCache, arrivals: Sequence[Completion]
) -> Loaded:
    """Load every learner, stored completion and day snapshot that the arrivals concern.

    Learners are taken from the cache where it has them. Raises LearnerChangedError when another
    transaction changed a learner since it was read or cached, PoisonError for a key that cannot be
    sent, and psycopg.Error. A cached learner of whom nothing had to be read is not compared: its
    save does that. Waits no longer than the connection's statement timeout per statement.
    """
    with values_refused():
        return await _load(connection, books, cache, arrivals)


async def _load(
    connection: Connection, books: RuleBooks, cache: LearnerCache, arrivals: Sequence[Completion]
) -> Loaded:
    keys = {key_of(arrival): arrival.event_id for arrival in arrivals}
    users = {user_id for user_id, _ in keys}
    learners = cache.take(users)
    missing = users - learners.keys()
    wanted = _columns((user, event_id) for (user, _), event_id in keys.items())
    if missing:
        async with connection.pipeline():
            answers = await _ask_for_learners(connection, missing)
            stored = await _execute(connection, _STORED, *wanted)
        learners |= await _read_learners(connection, books, missing, answers)
    else:
        stored = await _execute(connection, _STORED, *wanted)
    found = {key_of(c): c for c in map(Completion._make, await stored.fetchall())}
    days = _missing_days(learners, [*arrivals, *found.values()])
    proofs = _missing_proofs(learners, arrivals, found)
    read = missing | {user_id for pairs in (found, days, proofs) for user_id, _ in pairs}
    if read:
        await _load_days(connection, learners, days, proofs, read)
    return Loaded(learners, found)


def _missing_proofs(
    learners: Mapping[str, LearnerState],
    arrivals: Sequence[Completion],
    found: Mapping[CompletionKey, Completion],
) -> set[tuple[str, dt.date]]:
    """Days whose completions may prove travel, of learners who may have travelled."""
    missing = set()
    for user_id, arriving in travel.travellers(learners, arrivals).items():
        stored = [found[key_of(c)] for c in arriving if key_of(c) in found]
        days = travel.days_to_read(learners[user_id], arriving, stored)
        if days is not None:
            learners[user_id].proofs = {}
            missing |= {(user_id, day) for day in days}
    return missing


def _missing_days(
    learners: Mapping[str, LearnerState], completions: Iterable[Completion]
) -> set[tuple[str, dt.date]]:
    """Days of the completions that have rows to load; a day that is not active has none."""
    missing = set()
    for completion in completions:
        user_id, day = completion.user_id, completion.local_day
        state = learners[user_id]
        if day not in state.days and day in state.active_days:
            missing.add((user_id, day))
    return missing


async def _load_days(
    connection: Connection,
    learners: Mapping[str, LearnerState],
    days: Set[tuple[str, dt.date]],
    proofs: Set[tuple[str, dt.date]],
    read: Set[str],
) -> None:
    """Load the days and what proves travel, then compare the versions of all learners in `read`.

    The rules may fail on a mixture of two versions, long before a save could notice.
    """
    async with connection.pipeline():
        rows = await _execute(connection, _DAYS, *_columns(days)) if days else None
        lived = await _execute(connection, _LIVED, *_columns(proofs)) if proofs else None
        versions = await _execute(connection, _VERSIONS, read)
    known = dict(await versions.fetchall())
    if any(learners[user_id].version != known.get(user_id, 0) for user_id in read):
        raise LearnerChangedError("a learner of the batch was changed while it was read")
    for user_id, day in days:
        learners[user_id].days[day] = {}
    found = await rows.fetchall() if rows else ()
    for user_id, local_day, topic, difficulty, *numbers in found:
        learners[user_id].days[local_day][topic, difficulty] = Totals(*numbers)
    for completion in map(Completion._make, await lived.fetchall() if lived else ()):
        travel.remember(learners[completion.user_id], completion)


def key_of(completion: Completion) -> CompletionKey:
    """The completion's identity."""
    return completion.user_id, completion.event_id.int


async def load_whole(
    connection: Connection, books: RuleBooks, users: Set[str]
) -> dict[str, LearnerState]:
    """These learners with every day; those who were never seen are left out.

    Several statements read them. Raises LearnerChangedError when another transaction changed one
    of them in between, which cannot happen in a snapshot.
    """
    async with connection.pipeline():
        answers = await _ask_for_learners(connection, users)
        days = await _execute(connection, DAY.select_of_learners, users)
        versions = await _execute(connection, _VERSIONS, users)
    learners = await _read_learners(connection, books, users, answers)
    if dict(await versions.fetchall()) != {
        s.user_id: s.version for s in learners.values() if s.version
    }:
        raise LearnerChangedError("a learner was changed while it was read")
    for user_id, local_day, topic, difficulty, *numbers in await days.fetchall():
        learners[user_id].days.setdefault(local_day, {})[topic, difficulty] = Totals(*numbers)
    return {user_id: state for user_id, state in learners.items() if state.version}


async def load_streaks(
    connection: Connection, books: RuleBooks, users: Iterable[str]
) -> dict[str, LearnerState]:
    """The days, the clock and the rule book of these learners, and nothing of their sums.

    One statement reads them; those who were never seen are left out.
    """
    rows = await (await _execute(connection, _LEARNERS, users)).fetchall()
    states = {row[0]: _read_learner(row, (), (), ()) for row in rows}
    await rulebooks.fetch(connection, books, {state.rule_book for state in states.values()})
    return states


async def _ask_for_learners(connection: Connection, users: Set[str]) -> list[AsyncCursor[Any]]:
    return [
        await _execute(connection, statement, users)
        for statement in (_LEARNERS, _TOTALS, _LEVELS, _UNLOCKED)
    ]


async def _read_learners(
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
    version, counters, kept_from, rule_book, complete, least, most, *clock = row[1 + len(COLUMNS) :]
    state = learner_state(
        user_id,
        version=version,
        days=days,
        counters=counters,
        totals=totals,
        levels=levels,
        unlocked=(name for (name,) in unlocked),
        rule_book=rule_book,
    )
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


async def _execute(
    connection: Connection, statement: str, *columns: Iterable[object]
) -> AsyncCursor[Any]:
    """Run a statement whose parameters are arrays."""
    return await connection.execute(statement, [array(c) for c in columns], binary=True)


def _columns(pairs: Iterable[tuple[str, object]]) -> tuple[list[str], list[object]]:
    # By learner, so that neighbours in the index are looked up one after the other.
    ordered = sorted(pairs, key=itemgetter(0))
    return [pair[0] for pair in ordered], [pair[1] for pair in ordered]
