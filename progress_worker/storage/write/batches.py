"""Loads what a batch concerns: its learners, and what it changes of them.

A load takes no locks. It reads a learner's version first and again last, so all that it read in
between belongs together. A save compares the version once more: a learner that somebody else
changed in the meantime makes the load or the save fail as a whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from progress_worker.domain import travel
from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import Totals
from progress_worker.errors import LearnerChangedError
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.rows import COMPLETION, DAY
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import buckets
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.learners import (
    VERSIONS,
    ask_for_learners,
    execute,
    read_learners,
)

#: A completion's identity: the learner and the event id as a number, which is hashed faster.
CompletionKey = tuple[str, int]

_DAYS: Final = DAY.select_wanted("user_id", "local_day")
_STORED: Final = COMPLETION.select_wanted("user_id", "event_id")
_LIVED: Final = f"{COMPLETION.select_wanted('user_id', 'local_day')} WHERE NOT revoked"


@dataclass(slots=True)
class Loaded:
    """What a batch needs to know: learners by id, and completions that it would store again."""

    learners: dict[str, LearnerState]
    stored: dict[CompletionKey, Completion]


async def load(
    connection: Connection,
    books: RuleBooks,
    cache: LearnerCache,
    erasures: Erasures,
    arrivals: Sequence[Completion],
) -> Loaded:
    """Load every learner, stored completion and day snapshot that the arrivals concern.

    Learners are taken from the cache where it has them. Raises LearnerChangedError when another
    transaction changed a learner since it was read or cached, PoisonError for a key that cannot be
    sent, and psycopg.Error. A cached learner of whom nothing had to be read is not compared: its
    save does that. Waits no longer than the connection's statement timeout per statement.
    """
    with values_refused():
        loaded = await _load(connection, books, cache, arrivals)
        await erasures.recall(connection, loaded.learners.values())
    return loaded


async def _load(
    connection: Connection, books: RuleBooks, cache: LearnerCache, arrivals: Sequence[Completion]
) -> Loaded:
    keys = {key_of(arrival): arrival.event_id for arrival in arrivals}
    users = {user_id for user_id, _ in keys}
    learners = cache.take(users)
    missing = users - learners.keys()
    wanted = _columns((user, event_id) for (user, _), event_id in keys.items())
    counted = buckets.missing(books, learners, arrivals)
    if missing or counted:
        async with connection.pipeline():
            answers = await ask_for_learners(connection, missing) if missing else []
            # Not compared with the version of the cache: the save does that.
            counts = await buckets.ask_wanted(connection, counted) if counted else None
            stored = await execute(connection, _STORED, *wanted)
        if counts is not None:
            buckets.put(learners, await counts.fetchall())
        if missing:
            learners |= await read_learners(connection, books, missing, answers)
    else:
        stored = await execute(connection, _STORED, *wanted)
    found = {key_of(c): c for c in map(Completion._make, await stored.fetchall())}
    concerned = [*arrivals, *found.values()]
    more = _More(
        _missing_days(learners, concerned),
        _missing_proofs(learners, arrivals, found),
        buckets.missing(books, learners, concerned) - counted,
        buckets.corrected(books, learners, arrivals),
    )
    read = missing | more.users() | {user_id for user_id, _ in found}
    if read:
        await _load_more(connection, learners, more, read)
    return Loaded(learners, found)


class _More(NamedTuple):
    """What a second round trip reads: days, what proves travel, and buckets."""

    days: set[tuple[str, dt.date]]
    proofs: set[tuple[str, dt.date]]
    counted: set[buckets.BucketKey]
    #: Keys of filters by learner: all of their buckets.
    windows: dict[str, list[str]]

    def users(self) -> set[str]:
        """The learners of all this."""
        pairs = self.days | self.proofs
        counted = {user_id for user_id, _, _ in self.counted}
        return {user_id for user_id, _ in pairs} | counted | self.windows.keys()


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


async def _load_more(
    connection: Connection, learners: Mapping[str, LearnerState], more: _More, read: Set[str]
) -> None:
    """Load it, then compare the versions of all learners in `read`.

    The rules may fail on a mixture of two versions, long before a save could notice.
    """
    days, proofs = more.days, more.proofs
    counts = []
    async with connection.pipeline():
        rows = await execute(connection, _DAYS, *_columns(days)) if days else None
        lived = await execute(connection, _LIVED, *_columns(proofs)) if proofs else None
        if more.counted:
            counts.append(await buckets.ask_wanted(connection, more.counted))
        if more.windows:
            keys = {key for windows in more.windows.values() for key in windows}
            counts.append(await buckets.ask_whole(connection, more.windows, keys))
        versions = await execute(connection, VERSIONS, read)
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
    for answer in counts:
        buckets.put(learners, await answer.fetchall())


def key_of(completion: Completion) -> CompletionKey:
    """The completion's identity."""
    return completion.user_id, completion.event_id.int


def _columns(pairs: Iterable[tuple[str, object]]) -> tuple[list[str], list[object]]:
    # By learner, so that neighbours in the index are looked up one after the other.
    ordered = sorted(pairs, key=itemgetter(0))
    return [pair[0] for pair in ordered], [pair[1] for pair in ordered]
