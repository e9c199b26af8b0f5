"""Reads what filters count in buckets: those that a batch concerns, or all of a learner.

A bucket that has no row is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final, TypeAlias

from psycopg import AsyncCursor

from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.database import Connection
from progress_worker.storage.rows import COUNTER
from progress_worker.storage.rulebooks import RuleBooks

#: A learner, the key of a filter, and the name of a bucket.
BucketKey: TypeAlias = tuple[str, str, str]

_WANTED: Final = COUNTER.select_wanted("user_id", "key", "bucket")
_OF_LEARNERS: Final = COUNTER.select_of_learners
_OF_KEYS: Final = f"{_OF_LEARNERS} AND key = ANY(%s::text[])"


def missing(
    books: RuleBooks, learners: Mapping[str, LearnerState], completions: Iterable[Completion]
) -> set[BucketKey]:
    """The buckets of these completions that the learners' states lack and that may have a row."""
    by_version = books.by_version
    found = set()
    for completion in completions:
        state = learners.get(completion.user_id)
        if state is None or not state.version:
            continue
        counters = by_version[state.rule_book].counters
        if counters.has_buckets:
            for key, name in counters.buckets_of(completion):
                if name not in state.buckets.get(key, {}):
                    found.add((state.user_id, key, name))
    return found


def corrected(
    books: RuleBooks, learners: Mapping[str, LearnerState], arrivals: Iterable[Completion]
) -> dict[str, list[str]]:
    """Learners of whom a completion may be taken out, each with the keys of filters with windows.

    Without it, another window may be the best one, and weeks may be lost.
    """
    found = {}
    for arrival in arrivals:
        state = learners[arrival.user_id]
        if arrival.revision and state.version and state.user_id not in found:
            keys = books.by_version[state.rule_book].counters.windows
            if keys:
                found[state.user_id] = keys
    return found


async def ask_wanted(connection: Connection, wanted: Set[BucketKey]) -> AsyncCursor[Any]:
    """Ask for these buckets. Raises psycopg.Error."""
    return await connection.execute(_WANTED, arrays(sorted(wanted), 3), binary=True)


async def ask_whole(
    connection: Connection, users: Iterable[str], keys: Iterable[str]
) -> AsyncCursor[Any]:
    """Ask for all buckets of these learners under these keys. Raises psycopg.Error."""
    return await connection.execute(_OF_KEYS, [array(users), array(keys)], binary=True)


async def ask_all(connection: Connection, users: Iterable[str]) -> AsyncCursor[Any]:
    """Ask for all buckets of these learners. Raises psycopg.Error."""
    return await connection.execute(_OF_LEARNERS, [array(users)], binary=True)


def put(learners: Mapping[str, LearnerState], rows: Sequence[Sequence[Any]]) -> None:
    """Put rows into the learners' states."""
    for user_id, key, bucket, n in rows:
        learners[user_id].buckets.setdefault(key, {})[bucket] = n
